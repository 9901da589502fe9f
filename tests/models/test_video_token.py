"""Tokenised video: caching changes nothing, rounds of decoding say what one pass cannot, codes suffice."""

from __future__ import annotations

import pytest
import torch

from tests.models.worlds import (
    ACTION,
    SPEC,
    LinearWorld,
    fit,
    imagined,
    make,
    make_informed,
    noise_windows,
    rmse,
    spec_of,
)
from tests.models.worlds import windows as windows_of
from wm_lab.errors import UserError
from wm_lab.models.parts.attention import frame_causal
from wm_lab.models.parts.fsq import FSQ
from wm_lab.models.video_token import VideoToken, VideoTokenConfig
from wm_lab.models.video_token.config import DECODINGS
from wm_lab.models.video_token.dynamics import TokenDynamics
from wm_lab.settings import read_config
from wm_lab.world_model import DataSpec, Windows

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
BOTH = DataSpec(
    {"pixels": (8, 8, 3), "proprio": (3,)},
    ACTION,
    mean={"proprio": [0.0] * 3},
    std={"proprio": [1.0] * 3},
    std_change={"proprio": [0.3] * 3},
)


def plans(b: int, n: int, horizon: int) -> torch.Tensor:
    return torch.rand(b, n, horizon, ACTION, generator=torch.Generator().manual_seed(3)) * 2 - 1


def seen_both(b: int = 3, steps: int = 6) -> Windows:
    generator = torch.Generator().manual_seed(2)
    observation = {
        "pixels": torch.randint(256, (b, steps, 8, 8, 3), generator=generator, dtype=torch.uint8),
        "proprio": torch.randn(b, steps, 3, generator=generator),
    }
    return windows_of(observation, torch.rand(b, steps, ACTION, generator=generator) * 2 - 1)


def without_cache(model: VideoToken, data: Windows, actions: torch.Tensor) -> torch.Tensor:
    """Imagined vectors [B, H, V] with the whole sequence read anew at every step."""
    dynamics, vectors, steps = model.dynamics, model.tokenizer.vectors, data.shape[1]
    seen = model._tokenize(data, None)
    codes, states = list(seen.codes.unbind(1)), list(seen.vector.unbind(1))
    led = [*data.action[:, 1:].unbind(1), *actions.unbind(1)]
    for t in range(actions.shape[1]):
        groups = [
            dynamics.group(code, torch.cat([action, vectors.read(state)], -1))
            for code, state, action in zip(codes, states, led[: steps + t], strict=True)
        ]
        step = torch.arange(len(groups)).repeat_interleave(dynamics.group_size)
        read = dynamics.transformer(torch.cat(groups, 1), step, frame_causal(step, model.config.context))
        _, places = dynamics.parts(read[:, -dynamics.group_size :])
        codes.append(dynamics.predict(places, likely=True))
        states.append(vectors.decode(codes[-1], states[-1], led[steps - 1 + t]))
    return torch.stack(states[steps:], 1)


@pytest.mark.parametrize("tokens", [0, 2, 1])
@pytest.mark.parametrize("decoding", DECODINGS)
def test_imagination_equals_reading_the_whole_sequence_anew_at_every_step(decoding, tokens):
    model = make_informed("video_token", decoding=decoding, tokens=tokens, context=3).eval()
    data, actions = noise_windows(steps=5), plans(3, 4, 6)
    found = model.decode(model.imagine(model.encode(data), actions))["state"]
    for n in range(4):
        expected = model.tokenizer.vectors.denormalise(without_cache(model, data, actions[:, n]))["state"]
        torch.testing.assert_close(found[:, n], expected, **CLOSE)


def test_what_lies_before_all_that_the_layers_reach_is_forgotten():
    """A layer reaches `context - 1` frames back, and one belief more is held in the frame that the oldest one codes."""
    model = make_informed("video_token", context=2, transformer_layers=2).eval()
    data = noise_windows(steps=7)
    changed = data.map(torch.clone)
    changed.observation["state"][:, :3] += 1.0
    a, b = (model.imagine(model.encode(w), plans(3, 2, 3)).features for w in (data, changed))
    torch.testing.assert_close(a, b)
    changed.observation["state"][:, 5] += 1.0
    assert (model.imagine(model.encode(changed), plans(3, 2, 3)).features - a).abs().max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"tokens": 1}, {"decoding": "maskgit", "tokens": 4}])
def test_images_and_vectors_together_are_filtered_step_by_step_as_at_once(options):
    model, data = make_informed("video_token", BOTH, **options).eval(), seen_both()
    data.first[1, 3] = True  # a new context frame
    whole, seen = model.observe(data)
    state, parts = None, []
    for t in range(data.shape[1]):
        state, part = model.observe(data[:, t : t + 1], state)
        parts.append(part.features)
    torch.testing.assert_close(torch.cat(parts, 2), seen.features, **CLOSE)
    future, again = (model.decode(model.imagine(s, plans(3, 2, 4))) for s in (whole, state))
    assert future["pixels"].shape == (3, 2, 4, 8, 8, 3) and future["proprio"].shape == (3, 2, 4, 3)
    for key in future:
        torch.testing.assert_close(future[key], again[key], rtol=1e-3, atol=1e-2)


def test_images_are_coded_relative_to_the_first_frame_of_their_episode():
    model, data = make_informed("video_token", BOTH).eval(), seen_both(b=1)
    changed = data.map(torch.clone)
    changed.observation["pixels"][:, 0] = 255 - changed.observation["pixels"][:, 0]
    a, b = (model._tokenize(w, None).codes[0, :, :16] for w in (data, changed))
    assert (a != b).flatten(1).any(1).all()
    for w in (data, changed):
        w.first[:, 2] = True
    a, b = (model._tokenize(w, None).codes[0, :, :16] for w in (data, changed))
    assert (a != b).flatten(1).any(1).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize(("decoding", "agree"), [("parallel", False), ("maskgit", True), ("autoregressive", True)])
def test_only_rounds_of_decoding_keep_tokens_that_belong_together_together(decoding, agree):
    """Two tokens of the next frame are both 0 or both 1, by the toss of a coin that nothing foretells."""
    torch.manual_seed(0)
    fsq = FSQ([2])
    sizes = {"width": 16, "transformer_layers": 1, "num_heads": 2, "context": 1, "refine_steps": 2}
    dynamics = TokenDynamics(VideoTokenConfig(**sizes, decoding=decoding), fsq, codes=2, prompt=1)
    optimiser = torch.optim.Adam(dynamics.parameters(), 1e-2)
    places = torch.zeros(256, 2, 16)
    for _ in range(120):
        coin = torch.randint(2, (256, 1)).expand(-1, 2)
        optimiser.zero_grad()
        dynamics.loss(places, fsq.code(coin)).mean().backward()
        optimiser.step()
    first, second = fsq.index(dynamics.predict(places, likely=False)).unbind(-1)
    assert 0.35 < first.float().mean() < 0.65
    same = (first == second).float().mean()
    assert same > 0.95 if agree else 0.35 < same < 0.65


@pytest.mark.parametrize(("decoding", "rounds"), [("parallel", 0), ("maskgit", 3), ("autoregressive", 4)])
def test_a_frame_is_settled_in_as_many_rounds_as_the_decoding_says_and_read_once(decoding, rounds):
    model = make_informed("video_token", decoding=decoding, refine_steps=3).eval()
    refined, read = model.dynamics._refined, model.dynamics.transformer.extend
    calls = {"refined": 0, "read": 0}
    settled = []

    def count_refined(places, codes, done):
        calls["refined"] += 1
        settled.append(done.sum(-1))
        return refined(places, codes, done)

    def count_read(*given):
        calls["read"] += 1
        return read(*given)

    model.dynamics._refined, model.dynamics.transformer.extend = count_refined, count_read
    model.imagine(model.encode(noise_windows()), plans(3, 2, 5))
    assert calls == {"refined": 5 * rounds, "read": 5}
    known = [int(done.flatten()[0]) for done in settled[:rounds]]
    assert known == sorted(set(known)), "every round settles something"


@pytest.mark.slow
def test_a_partly_seen_linear_system_is_forecast_nearly_as_well_as_by_its_kalman_filter():
    world, context = LinearWorld(), 5
    data, held_out = world.play(1024, 10, seed=0), world.play(512, 10, seed=1)
    ahead = {"open_loop": 5, "open_loop_starts": 2, "open_loop_scale": 5.0}
    model = make("video_token", spec_of(data), width=32, context=5, tokens=1, **ahead)
    fit(model, data, steps=250, rate=5e-3)
    truth = held_out.observation["state"][:, context:]
    best, found = rmse(world.forecast(held_out, context), truth), rmse(imagined(model, held_out, context), truth)
    assert found < 1.5 * best
    held_out.action = held_out.action.roll(1, 0)
    assert rmse(imagined(model, held_out, context), truth) > 1.1 * found, "the actions tell where"


@pytest.mark.slow
def test_a_tiny_batch_is_learnt_by_heart():
    torch.manual_seed(3)
    data = windows_of(torch.randn(4, 6, 3), torch.rand(4, 6, 2) * 2 - 1, torch.randn(4, 6))
    model = make("video_token", spec_of(data), units=64, width=32, context=6, open_loop=5)
    fit(model, data, steps=250, batch=4, rate=5e-3)
    truth = data.observation["state"][:, 1:]
    assert rmse(imagined(model, data, 1), truth) < 0.3 * truth.std()
    _, logs = model.loss(data)
    assert logs["tokens"] < 0.2 and 0 < logs["codes_used"] <= 1


def test_codes_stay_exact_under_autocast():
    model, data = make_informed("video_token"), noise_windows()
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = model.loss(data)
        codes = model._tokenize(data, None).codes[:, 1:]
    total.backward()
    assert torch.isfinite(total) and codes.dtype == torch.float32
    torch.testing.assert_close(model.tokenizer.fsq.code(model.tokenizer.fsq.index(codes)), codes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": 0}, r"model\.context=0 must be .* from 1"),
        ({"vector_codes": 0}, r"model\.vector_codes=0"),
        ({"levels": [8, 1]}, r"model\.levels=\[8, 1\]"),
        ({"decoding": "beam"}, r"model\.decoding='beam' .* parallel, maskgit, autoregressive"),
        ({"refine_steps": 0}, r"model\.refine_steps=0"),
        ({"vector_codes": 4, "tokens": 3}, r"model\.tokens=3 .* 4 codes"),
        ({"width": 20, "num_heads": 4}, r"model\.width=20 .* model\.num_heads=4"),
    ],
)
def test_sizes_that_cannot_work_are_refused(options, words):
    with pytest.raises(UserError, match=words):
        VideoToken(read_config(VideoTokenConfig, options, "model"), SPEC)


def test_a_context_longer_than_the_windows_is_refused():
    with pytest.raises(UserError, match=r"model\.context=9 .* 7 steps"):
        make("video_token", context=9).loss(noise_windows(steps=7))
