"""One backbone in four modes: each knows what it should, and none sees what it must not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.worlds import ACTION, SPEC, STATE, fit, imagined, make, make_informed, noise_windows, rmse, windows
from wm_lab.errors import UserError
from wm_lab.models.decoder_only.model import DecoderOnly, DecoderOnlyConfig, observations_see_no_actions
from wm_lab.models.decoder_only.modes import ModesConfig
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec, Windows

KIND = "decoder_only"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
PLANT = torch.tensor([[0.9, 0.2, 0.0], [-0.2, 0.9, 0.1], [0.0, 0.1, 0.8]])
PUSH = torch.tensor([[0.4, 0.0], [0.1, 0.3], [-0.2, 0.4]])


def plans(*lead: int) -> Tensor:
    return torch.rand(*lead, ACTION, generator=torch.Generator().manual_seed(3)) * 2 - 1


def linear_world(episodes: int, seed: int, steps: int = 8) -> Windows:
    """x' = P x + U a, all of it seen; half of the actions drive x towards 0, the others are random."""
    generator = torch.Generator().manual_seed(seed)
    action = torch.rand(episodes, steps, 2, generator=generator) * 2 - 1
    x = [torch.randn(episodes, 3, generator=generator)]
    for t in range(1, steps):
        x.append(x[-1] @ PLANT.T + action[:, t] @ PUSH.T)
    seen = torch.stack(x, 1)
    return windows(seen, action, -seen.norm(dim=-1))


@pytest.fixture(scope="module")
def taught() -> DecoderOnly:
    """Trained for seconds on the linear world."""
    spec = DataSpec({"state": (3,)}, 2, std_change={"state": [0.5, 0.5, 0.5]})
    model = make(KIND, spec, units=32, open_loop=2, modes=ModesConfig(inverse=3.0, policy=0.1))
    fit(model, linear_world(1024, 0), steps=150, batch=32, rate=2e-2)
    return model


@pytest.fixture
def model() -> DecoderOnly:
    return make_informed(KIND).eval()


@torch.inference_mode()
def test_a_step_believes_what_it_would_had_its_guess_been_observed():
    model, data = make_informed("decoder_only").eval(), noise_windows()
    actions = plans(3, 1, 1)[:, 0, 0]
    after, seen = model.step(model.encode(data), actions)
    guess = data[:, -1:].map(torch.clone)
    guess.observation, guess.action, guess.first[:] = model.decode(seen.map(lambda v: v[:, 0])), actions[:, None], False
    observed = model.encode(guess, model.encode(data))
    for name in ("position", "h", "g", "frame"):
        torch.testing.assert_close(getattr(after, name), getattr(observed, name), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after.cache.keys, observed.cache.keys, rtol=1e-4, atol=1e-4)


def test_the_mask_is_the_one_in_the_picture():
    a, o = [1, 1, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1]  # kinds alone; time is the window's business
    assert observations_see_no_actions(6, 6, torch.device("cpu")).int().tolist() == [a, o, a, o, a, o]


def test_observation_modes_are_blind_to_actions_bit_for_bit(model):
    data, changed = noise_windows(), noise_windows()
    changed.action[:, 1:] = -0.3
    said, other = model.predict(data), model.predict(changed)
    assert torch.equal(said.policy, other.policy) and torch.equal(said.inverse, other.inverse)
    assert torch.equal(said.video["state"], other.video["state"])
    assert (said.forward["state"] != other.forward["state"])[:, 1:].all()


@pytest.mark.parametrize("mode", ["policy", "inverse", "video", "forward"])
def test_no_mode_sees_an_observation_that_is_yet_to_come(model, mode):
    data, changed = noise_windows(), noise_windows()
    changed.observation["state"][:, 4] += 2.0
    said, other = (getattr(model.predict(w), mode) for w in (data, changed))
    if isinstance(said, dict):
        said, other = said["state"], other["state"]
    moved = (said != other).flatten(2).any(-1)[0]
    # Step 4 itself is what forward dynamics foretells; the other modes have seen it by then.
    assert moved.tolist() == [t > 4 or (t == 4 and mode != "forward") for t in range(7)]


def test_forward_dynamics_never_sees_a_later_action(model):
    data, changed = noise_windows(), noise_windows()
    changed.action[:, 4] += 0.5
    moved = (model.predict(data).forward["state"] != model.predict(changed).forward["state"]).any(-1)[0]
    assert moved.tolist() == [t >= 4 for t in range(7)]


@pytest.mark.parametrize("observed", [1, 3, 9])  # fewer steps than the window holds, just filling it, more
def test_imagination_on_the_shared_past_equals_reading_all_of_it_anew(model, observed):
    """What is imagined, given as if it were observed, is foretold again by a pass without any cache."""
    n, horizon = 4, 5
    data, actions = noise_windows(steps=observed), plans(3, n, horizon)
    future = model.decode(model.imagine(model.encode(data), actions))["state"]
    seen = torch.cat([data.observation["state"][:, None].expand(-1, n, -1, -1), future], 2).flatten(0, 1)
    action = torch.cat([data.action[:, None].expand(-1, n, -1, -1), actions], 2).flatten(0, 1)
    again = model.predict(windows(seen, action)).forward["state"][:, observed:]
    torch.testing.assert_close(again.unflatten(0, (3, n)), future, **CLOSE)


def test_a_belief_does_not_grow_with_the_number_of_candidates(model):
    belief = model.encode(noise_windows())
    seen = []
    extend = model.transformer.extend

    def spy(x: Tensor, position: Tensor, prefix, *rest):
        seen.append(prefix.keys.shape[0])
        return extend(x, position, prefix, *rest)

    model.transformer.extend = spy
    model.imagine(belief, plans(3, 50, 4))
    assert seen == [3] * 4, "the past stays at batch B"


@pytest.mark.slow
def test_a_linear_world_is_foreseen_and_actions_tell_where_it_goes(taught):
    held_out = linear_world(256, 1)
    truth = held_out.observation["state"][:, 2:]
    right = rmse(imagined(taught, held_out, 2), truth)
    assert right < 0.15 * rmse(held_out.observation["state"][:, 1:2].expand_as(truth), truth)
    held_out.action = held_out.action.roll(1, 0)
    assert rmse(imagined(taught, held_out, 2), truth) > 3 * right


def test_inverse_dynamics_recovers_the_actions_of_a_linear_world(taught):
    held_out = linear_world(256, 1)
    with torch.no_grad():
        inferred = taught.predict(held_out).inverse
    assert rmse(inferred[:, 1:], held_out.action[:, 1:]) < 0.15 * held_out.action[:, 1:].std()


def test_video_foretells_what_can_be_known_without_the_action(taught):
    """The best guess is P x, and what is left of the error is what U a adds."""
    held_out = linear_world(256, 1)
    x, following = held_out.observation["state"][:, :-1], held_out.observation["state"][:, 1:]
    with torch.no_grad():
        guess = taught.predict(held_out).video["state"][:, :-1]
    assert rmse(guess, following) < 1.1 * rmse(x @ PLANT.T, following)
    assert rmse(guess, x @ PLANT.T) < 0.35 * rmse(x, x @ PLANT.T)


def test_a_tiny_batch_is_learnt_by_heart():
    torch.manual_seed(3)
    data = windows(torch.randn(4, 6, 3), plans(4, 6), torch.randn(4, 6))
    data.terminal[0, -1] = True
    sizes = {"units": 64, "width": 32, "open_loop": 0, "action_head": "regression", "modes": ModesConfig(policy=2.0)}
    model = make(KIND, DataSpec({"state": (3,)}, 2), **sizes)
    fit(model, data, steps=200, batch=4, rate=2e-2)
    with torch.no_grad():
        said, (_, seen) = model.predict(data), model.observe(data)
    scale, truth = data.observation["state"].std(), data.observation["state"]
    assert rmse(said.forward["state"][:, 1:], truth[:, 1:]) < 0.1 * scale
    assert rmse(said.policy[:, :4, 0], data.action[:, 1:5]) < 0.1
    assert rmse(seen.reward[:, 0, 1:], data.reward[:, 1:]) < 0.35
    goes_on = seen.continue_probability[:, 0]
    assert goes_on[0, -1] < 0.2 and goes_on[1:].min() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("head", ["flow", "regression"])
def test_the_policy_does_as_its_examples_did(head):
    def play(episodes: int, seed: int) -> Windows:
        """Each action drives the state to 0: a_{t+1} = −x_t / 2."""
        generator = torch.Generator().manual_seed(seed)
        x = [torch.rand(episodes, 2, generator=generator) * 2 - 1]
        action = [torch.zeros(episodes, 2)]
        for _ in range(6):
            action.append(-x[-1] / 2)
            x.append(x[-1] + action[-1])
        return windows(torch.stack(x, 1), torch.stack(action, 1))

    spec = DataSpec({"state": (2,)}, 2, std_change={"state": [0.3, 0.3]})
    model = make(KIND, spec, units=48, layers=2, open_loop=0, chunk=2, action_head=head)
    fit(model, play(512, 0), steps=120, batch=64, rate=1e-2)
    held_out = play(128, 1)
    with torch.no_grad():
        acted = model.act(model.encode(held_out[:, :3]), [torch.Generator().manual_seed(k) for k in range(128)])
    assert acted.shape == (128, 2, 2) and acted.abs().max() <= 1
    assert rmse(acted, held_out.action[:, 3:5]) < 0.07  # the actions' own size is 0.1


def test_an_episode_acts_the_same_whatever_acts_beside_it(model):
    belief = model.encode(noise_windows())
    generators = [torch.Generator().manual_seed(k) for k in range(3)]
    together = model.act(belief, generators)
    alone = model.act(belief[[1]], [torch.Generator().manual_seed(1)])
    torch.testing.assert_close(alone, together[[1]], **CLOSE)
    assert not torch.equal(model.act(belief, generators), together), "the generators go on"


def test_images_are_never_painted_while_planning():
    model = make_informed(KIND, DataSpec({"pixels": (8, 8, 3), "proprio": (STATE,)}, ACTION)).eval()
    data = noise_windows()
    pixels = torch.randint(256, (3, 7, 8, 8, 3), dtype=torch.uint8)
    data.observation = {"pixels": pixels, "proprio": data.observation["state"]}
    calls = []
    model.heads.decoder.images.register_forward_hook(lambda *_: calls.append(1))
    future = model.imagine(model.encode(data), plans(3, 2, 5))
    assert not calls
    painted = model.decode(future)
    assert (
        calls == [1] and painted["pixels"].shape == (3, 2, 5, 8, 8, 3) and painted["proprio"].shape == (3, 2, 5, STATE)
    )
    model.train()
    total, _ = model.loss(data)
    assert torch.isfinite(total)


def test_a_mode_of_weight_zero_teaches_nothing():
    model = make_informed(KIND, modes=ModesConfig(policy=0.0, inverse=0.0, video=0.0))
    model.loss(noise_windows())[0].backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.modes.parameters())
    assert any(p.grad.any() for p in model.transformer.parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"blocks": 0}, "model.blocks=0"),
        ({"chunk": 0}, "model.chunk=0"),
        ({"action_head": "cvae"}, "model.action_head 'cvae'; known: flow, regression, tokens"),
        ({"mlp_ratio": 0.0}, "model.mlp_ratio=0.0"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        read_config(DecoderOnlyConfig, options, "model")


def test_impossible_modes_are_refused():
    with pytest.raises(UserError, match=r"model.modes.video=-1 must be a finite number from 0"):
        read_config(ModesConfig, {"video": -1}, "model.modes")
    with pytest.raises(UserError, match=r"model.modes.forward=0 "):
        read_config(ModesConfig, {"forward": 0}, "model.modes")


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(UserError, match=r"model.width=30 .* model.num_heads=4"):
        DecoderOnly(DecoderOnlyConfig(width=30, num_heads=4), SPEC)


def test_training_windows_that_do_not_hold_what_the_model_looks_at_are_refused():
    with pytest.raises(UserError, match=r"model.window=9 .* 7 steps"):
        make(KIND, window=9).loss(noise_windows(steps=7))
    with pytest.raises(UserError, match=r"model.chunk=7 .* 7 steps"):
        make(KIND, chunk=7).loss(noise_windows(steps=7))


@torch.inference_mode()
def test_acting_by_video_says_what_inverse_dynamics_say_of_the_imagined_observations():
    model, data = make_informed("decoder_only").eval(), noise_windows()
    longer = data
    for _ in range(2):
        guess = longer[:, -1:].map(torch.clone)
        guess.observation = {"state": model.predict(longer).video["state"][:, -1:]}
        guess.first[:] = False
        guess.action.uniform_(-1, 1)  # nobody knows it: whatever stands there is not looked at
        longer = _then(longer, guess)
    said = model.act_by_video(model.encode(data), 2)
    torch.testing.assert_close(said, model.predict(longer).inverse[:, -2:].clamp(-1, 1), rtol=1e-4, atol=1e-4)


def _then(windows: Windows, more: Windows) -> Windows:
    """The steps of both."""
    names = ("action", "reward", "first", "terminal", "valid")
    joined = {name: torch.cat([getattr(windows, name), getattr(more, name)], 1) for name in names}
    return Windows(
        {key: torch.cat([windows.observation[key], more.observation[key]], 1) for key in more.observation}, **joined
    )
