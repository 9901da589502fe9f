"""Frames drawn from noise follow what is known of the world that they were learnt in, for as long as anyone looks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.worlds import fit, imagined, make, make_informed, noise_windows, rmse, spec_of, windows
from wm_lab.errors import UserError
from wm_lab.models.video_diffusion import VideoDiffusion, VideoDiffusionConfig
from wm_lab.models.video_diffusion import model as video_diffusion
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec, Windows

A = torch.tensor([[0.98, 0.1, 0.0], [-0.1, 0.98, 0.0], [0.0, 0.05, 0.95]])
B = torch.tensor([[0.3, 0.0], [0.0, 0.3], [0.15, -0.15]])
IMAGE = (8, 8, 3)
BOTH = DataSpec({"pixels": IMAGE, "proprio": (3,)}, 2)


def play(episodes: int, steps: int, seed: int, noise: float = 0.1) -> Windows:
    """x' = A x + B a + noise, rewarded for staying near the origin."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(episodes, steps, 2, generator=generator) * 2 - 1
    seen = [torch.randn(episodes, 3, generator=generator)]
    for t in range(1, steps):
        disturbance = noise * torch.randn(episodes, 3, generator=generator)
        seen.append(seen[-1] @ A.T + action[:, t] @ B.T + disturbance)
    return windows(torch.stack(seen, 1), action, -torch.stack(seen, 1).norm(dim=-1))


def pictures(b: int = 2, steps: int = 5) -> Windows:
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (b, steps, *IMAGE), generator=generator, dtype=torch.uint8)
    proprio = torch.randn(b, steps, 3, generator=generator)
    action = torch.rand(b, steps, 2, generator=generator) * 2 - 1
    return windows({"pixels": image, "proprio": proprio}, action)


def change_error(guess: Tensor, truth: Tensor) -> float:
    return rmse(guess, truth) / rmse(truth, torch.zeros_like(truth))


@pytest.fixture(scope="module")
def linear() -> VideoDiffusion:
    """Taught a linear world for some seconds, its best linear guess withheld."""
    data = play(512, 8, seed=0)
    model = make("video_diffusion", spec_of(data), width=48, layers=1, context=1, open_loop=4)
    fit(model, data, steps=250, rate=1e-2)
    return model


@pytest.mark.slow
def test_it_forecasts_a_linear_world_nearly_as_well_as_the_worlds_own_matrices(linear):
    held_out = play(256, 10, seed=1)
    start, truth = held_out.observation["state"][:, :1], held_out.observation["state"][:, 1:]
    exact = [start[:, 0]]
    for t in range(1, 10):
        exact.append(exact[-1] @ A.T + held_out.action[:, t] @ B.T)
    best = rmse(torch.stack(exact[1:], 1), truth)
    assert rmse(start.expand_as(truth), truth) > 2.5 * best, "the world must be worth knowing"
    assert rmse(imagined(linear, held_out, 1), truth) < 1.3 * best


def test_one_step_of_the_sampler_is_the_conditional_mean(linear):
    data = play(512, 2, seed=2)
    x = data.observation["state"][:, 0]
    mean_change = x @ A.T + data.action[:, 1] @ B.T - x
    guess = imagined(linear, data, 1)[:, 0] - x
    assert change_error(guess, mean_change) < 0.15


def test_samples_of_many_steps_spread_as_the_world_does(linear):
    data = play(1, 2, seed=3).map(lambda value: value.expand(2000, *value.shape[1:]))
    torch.manual_seed(0)
    sampler = linear.vector.edm
    sampler.steps = 20
    linear.train()
    spread = imagined(linear, data, 1)[:, 0].std(0)
    sampler.steps = 1
    linear.eval()
    torch.testing.assert_close(spread, torch.full_like(spread, 0.1), rtol=0.4, atol=0)


def test_two_hundred_imagined_steps_stay_within_what_was_ever_seen(linear):
    data = play(64, 3, seed=4)
    actions = torch.rand(64, 1, 200, 2, generator=torch.Generator().manual_seed(5)) * 2 - 1
    with torch.inference_mode():
        future = linear.imagine(linear.encode(data), actions)
    seen = play(512, 100, seed=6, noise=0.0).observation["state"].abs().amax()
    assert torch.isfinite(future.reward).all()
    assert linear.decode(future)["state"].abs().amax() < 1.5 * seen


def test_a_runaway_model_is_kept_within_what_can_be_observed():
    model = make_informed("video_diffusion").eval()
    with torch.no_grad():
        model.vector.net.leave[-1].bias.fill_(1e4)
    future = model.imagine(model.encode(noise_windows()), torch.zeros(3, 1, 200, 2))
    assert torch.isfinite(future.features).all() and torch.isfinite(future.reward).all()


def test_a_tiny_batch_is_learnt_by_heart():
    torch.manual_seed(3)
    data = windows(torch.randn(4, 4, 3), torch.rand(4, 4, 2) * 2 - 1, torch.randn(4, 4))
    data.terminal[0, -1] = True
    model = make("video_diffusion", spec_of(data), units=64, width=64, open_loop=3, context=1, context_noise=0.0)
    fit(model, data, steps=200, batch=4, rate=1e-2)
    truth = data.observation["state"][:, 1:]
    assert rmse(imagined(model, data, 1), truth) < 0.25 * truth.std()
    _, seen = model.observe(data)
    assert rmse(seen.reward[:, 0, 1:], data.reward[:, 1:]) < 0.35
    assert seen.continue_probability[0, 0, -1] < 0.2 and seen.continue_probability[1:].min() > 0.8


def test_what_was_observed_is_decoded_exactly():
    model, data = make_informed("video_diffusion", BOTH).eval(), pictures()
    out = model.decode(model.observe(data)[1])
    torch.testing.assert_close(out["pixels"][:, 0], data.observation["pixels"].float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(out["proprio"][:, 0], data.observation["proprio"])


def test_vectors_and_images_are_each_drawn_from_both():
    model, data, plan = make_informed("video_diffusion", BOTH).eval(), pictures(), torch.zeros(2, 1, 2, 2)
    base = model.decode(model.imagine(model.encode(data), plan))
    for key in ("pixels", "proprio"):
        other = data.map(torch.clone)
        other.observation[key][:, -1] = 0
        changed = model.decode(model.imagine(model.encode(other), plan))
        for told in ("pixels", "proprio"):
            assert (changed[told] - base[told]).abs().amax() > 1e-3, f"{told} of {key}"


def test_a_share_of_the_frames_is_drawn_where_asked_and_rewards_are_read_off_all():
    model, data = make("video_diffusion", BOTH, drawn_share=0.4, open_loop=2), pictures(b=5, steps=6)
    drawn, seen = [], []
    model.image.net.register_forward_pre_hook(lambda _, args: drawn.append(len(args[0])))
    model.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:-3].numel()))
    model.loss(data)
    assert drawn == [12, 2, 2], "of 30 frames, then of 5 windows two steps of open loop"
    assert seen[0] == 30


def test_a_share_of_the_frames_says_the_same_as_all_of_them():
    model, data = make_informed("video_diffusion", BOTH, open_loop=0), pictures(b=8, steps=6)

    def denoising(share: float, batches: int) -> float:
        torch.manual_seed(0)
        model.config.drawn_share = share
        return torch.stack([model.loss(data)[1]["denoising"] for _ in range(batches)]).mean().item()

    assert denoising(0.25, batches=80) == pytest.approx(denoising(1.0, batches=20), rel=0.15)


def test_futures_that_are_imagined_some_at_a_time_are_the_same(monkeypatch):
    model, plans = make_informed("video_diffusion", BOTH).eval(), torch.rand(2, 5, 3, 2) * 2 - 1
    state = model.encode(pictures())
    together = model.imagine(state, plans)
    monkeypatch.setattr(video_diffusion, "ROWS", 4)
    apart = model.imagine(state, plans)
    torch.testing.assert_close(apart.features, together.features, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(apart.reward, together.reward, atol=1e-5, rtol=1e-5)
    _, step = model.step(state.expand(5), plans[:, :, 0].flatten(0, 1))
    torch.testing.assert_close(step.reward, together.reward[:, :, :1].reshape(10, 1, 1), atol=1e-5, rtol=1e-5)


def test_only_the_last_frames_of_the_running_episode_are_remembered():
    model, data = make("video_diffusion", context=3).eval(), noise_windows(b=1, steps=6)
    data.first[:, 4] = True
    frames = model.encode(data).frames[0]
    now = model.frames.encode(data.observation)[0]
    assert torch.equal(frames, now[[4, 4, 5]])


def test_rewards_are_read_without_the_pixels_that_decoding_needs():
    model, data = make_informed("video_diffusion", BOTH).eval(), pictures()
    future = model.imagine(model.encode(data), torch.zeros(2, 3, 4, 2))
    assert future.features.shape[-1] == model.heads.read_size + 8 * 8 * 3
    assert model.heads.reward(future.features[..., : model.heads.read_size]).shape == (2, 3, 4)


@pytest.mark.parametrize("spec", [DataSpec({"state": (5,)}, 2), DataSpec({"pixels": IMAGE}, 2), BOTH])
def test_half_precision_trains_and_plans_with_every_observation(spec):
    model, b, steps = make_informed("video_diffusion", spec, ensemble=2), 2, 5
    observation = {
        key: torch.zeros(b, steps, *shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
        for key, shape in spec.observation.items()
    }
    data = windows(observation, torch.zeros(b, steps, 2))
    with torch.autocast("cpu", torch.bfloat16):
        model.loss(data)[0].backward()
        future = model.imagine(model.encode(data), torch.zeros(b, 3, 4, 2))
    assert torch.isfinite(future.reward).all() and torch.isfinite(future.features).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 0}, "model.context=0 must be .* from 1"),
        ({"denoiser": {"condition": 7}}, "model.denoiser.condition=7 .* even"),
        ({"denoiser": {"channels": []}}, "model.denoiser.channels"),
        ({"denoiser": {"channels": [100]}}, r"model.denoiser.channels=\[100\]"),
        ({"denoiser": {"steps": 0}}, "model.denoiser.steps=0"),
        ({"denoiser": {"order": "rk4"}}, "model.denoiser.order='rk4' .* euler or heun"),
        ({"units": 0}, "model.units=0"),
        ({"drawn_share": 0}, "model.drawn_share=0"),
        ({"drawn_share": 1.5}, "model.drawn_share=1.5"),
    ],
)
def test_impossible_sizes_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        read_config(VideoDiffusionConfig, options, "model")


def test_a_context_that_fills_the_window_is_refused():
    with pytest.raises(UserError, match=r"model.context=7 .* trainer.length=7"):
        make("video_diffusion", context=7).loss(noise_windows(steps=7))


def test_images_that_patches_and_halvings_do_not_divide_are_refused():
    with pytest.raises(UserError, match=r"side 8 .* model.denoiser.patch=4 .* multiple of 16"):
        make("video_diffusion", BOTH, patch=4, channels=[32, 32, 32])


def test_a_second_camera_is_refused():
    with pytest.raises(UserError, match="left, right"):
        make("video_diffusion", DataSpec({"left": IMAGE, "right": IMAGE}, 2))
