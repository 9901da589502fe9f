"""The cached, prefix-shared transformer is the plain one, which leaks nothing from the future and has no cliff."""

from __future__ import annotations

import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.models.parts.attention import Suffix, Transformer, frame_causal, visible
from wm_lab.models.parts.cache import Cache

WIDTH, HEADS, WINDOW, TOKENS = 16, 2, 3, 2
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def steps_of(frames: int, begin: int = 0) -> torch.Tensor:
    return torch.arange(begin, begin + frames).repeat_interleave(TOKENS)


@pytest.fixture
def transformer() -> Transformer:
    torch.manual_seed(0)
    return Transformer(WIDTH, 2, HEADS, WINDOW).eval()


def read(transformer: Transformer, x: torch.Tensor, begin: int = 0) -> torch.Tensor:
    step = steps_of(x.shape[1] // TOKENS, begin)
    return transformer(x, step, frame_causal(step, WINDOW))


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(seed))


def test_a_token_sees_its_own_frame_and_those_before_it_within_the_window():
    seen = frame_causal(torch.tensor([0, 0, 1, 1, 2, 2]), window=2).int()
    assert seen[::2].tolist() == seen[1::2].tolist()
    assert seen[::2].tolist() == [[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]]


def test_tokens_of_another_episode_are_not_seen():
    seen = frame_causal(torch.arange(4), 9, torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0]]))[:, 0].int()
    assert seen[0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert seen[1].tolist() == torch.ones(4, 4).tril().int().tolist()


def test_the_future_leaks_into_nothing(transformer):
    x, changed = noise(1, 10), noise(1, 10)
    changed[:, 6:] = noise(1, 4, seed=2)
    before, after = read(transformer, x), read(transformer, changed)
    assert torch.equal(before[:, :6], after[:, :6])
    assert ((before - after)[:, 6:].abs().amax(-1) > 1e-3).all()


def test_all_tokens_of_a_frame_see_each_other(transformer):
    x, changed = noise(1, 4), noise(1, 4)
    changed[:, 3] = noise(1, seed=2)
    assert (read(transformer, x) - read(transformer, changed)).abs().amax(-1)[0].gt(1e-3).tolist() == [0, 0, 1, 1]


def test_only_differences_of_steps_matter(transformer):
    x = noise(2, 10)
    torch.testing.assert_close(read(transformer, x), read(transformer, x, begin=500), rtol=1e-3, atol=1e-4)


def test_what_is_older_than_every_layer_can_see_does_not_matter(transformer):
    # Two layers of a window of three frames: each looks two frames back, together four.
    x, changed = noise(1, 2 * 9), noise(1, 2 * 9)
    changed[:, :2] = noise(1, 2, seed=2)
    moved = (read(transformer, x) - read(transformer, changed)).abs().amax(-1)[0].reshape(9, TOKENS).amax(1)
    assert (moved[:5] > 1e-6).all() and (moved[5:] == 0).all()


def test_there_is_no_cliff_where_the_window_begins_to_slide():
    """On a constant input attention averages equal values, so every step must look like every other."""
    torch.manual_seed(0)
    transformer = Transformer(WIDTH, 2, HEADS, WINDOW).eval()
    x = noise(1, 1).expand(1, 2 * 12, WIDTH)
    y = read(transformer, x)
    torch.testing.assert_close(y, y[:, :1].expand_as(y), **CLOSE)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 5])  # observed: fewer than the window holds, just filling it, more
def test_imagination_on_a_shared_cached_prefix_equals_a_pass_over_everything(transformer, gradients, frames):
    b, n, horizon = 3, 4, 5
    past, future = noise(b, frames * TOKENS), noise(b, n, horizon * TOKENS, seed=2)
    begin = torch.tensor([0, 7, 40])  # episodes have lasted for different times
    position = begin[:, None] + steps_of(frames)
    with torch.set_grad_enabled(gradients):
        _, cache = transformer.prefix(past, position, frame_causal(steps_of(frames), WINDOW))
        suffix, seen = Suffix(cache, n, horizon * TOKENS), []
        for t in range(horizon):
            x = future[:, :, t * TOKENS : (t + 1) * TOKENS]
            seen.append(transformer.extend(x, begin + frames + t, cache, suffix))
    whole = torch.cat([past[:, None].expand(-1, n, -1, -1), future], 2).flatten(0, 1)
    expected = read(transformer, whole)[:, frames * TOKENS :].unflatten(0, (b, n))
    torch.testing.assert_close(torch.cat(seen, 2), expected, **CLOSE)


def test_gradients_reach_the_prefix_through_imagination(transformer):
    past = noise(1, 4).requires_grad_()
    _, cache = transformer.prefix(past, steps_of(2), frame_causal(steps_of(2), WINDOW))
    suffix = Suffix(cache, 2, 2 * TOKENS)
    for t in (2, 3):
        last = transformer.extend(noise(1, 2, TOKENS, seed=t), torch.tensor([t]), cache, suffix)
    last.square().sum().backward()
    assert past.grad.abs().amax(-1).gt(0).all()


def test_a_past_that_is_cached_in_pieces_equals_one_pass(transformer):
    x, step = noise(2, 12), steps_of(6)
    cache = transformer.nothing(2, (WINDOW - 1) * TOKENS)
    parts = []
    for t in range(6):
        own = slice(t * TOKENS, (t + 1) * TOKENS)
        position = step[own].expand(2, -1)
        mask = visible(position, torch.cat([cache.step, position], 1), WINDOW)[:, None]
        y, new = transformer.prefix(x[:, own], position, mask, cache)
        cache = cache.then(new).last((WINDOW - 1) * TOKENS)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), read(transformer, x), **CLOSE)


def test_forgotten_tokens_are_as_if_they_had_never_been(transformer):
    x = noise(2, 4)
    _, cache = transformer.prefix(x, steps_of(2), frame_causal(steps_of(2), WINDOW))
    cache = cache.seen_where(torch.tensor([[False] * 4, [True] * 4]))
    new = noise(2, 3, TOKENS, seed=2)
    at = torch.full((2,), 2)
    found = transformer.extend(new, at, cache, Suffix(cache, 3, TOKENS))
    nothing = transformer.nothing(2, 4)
    fresh = transformer.extend(new, at, nothing, Suffix(nothing, 3, TOKENS))
    torch.testing.assert_close(found[0], fresh[0], **CLOSE)
    assert (found[1] - fresh[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("width", "heads", "window", "words"), [(24, 5, 2, "24 .* model.num_heads=5"), (8, 2, 0, "window=0")]
)
def test_sizes_that_cannot_be_are_refused(width, heads, window, words):
    with pytest.raises(UserError, match=words):
        Transformer(width, 1, heads, window)


def test_tokens_of_a_kind_can_be_kept_from_tokens_of_another(transformer):
    """First tokens of frames see first tokens alone; second tokens see all."""
    past, future = noise(2, 2, seed=1), noise(2, 3, 4, seed=2)
    first = torch.arange(6) % TOKENS == 0
    kinds = ~first[:, None] | first
    _, cache = transformer.prefix(past, steps_of(1), kinds[:2, :2])
    suffix, seen = Suffix(cache, 3, 4), []
    for t in (1, 2):
        own = slice(TOKENS * t, TOKENS * (t + 1))
        x = future[:, :, own.start - 2 : own.stop - 2]
        seen.append(transformer.extend(x, torch.tensor([t, t]), cache, suffix, kinds[own, : own.stop]))
    whole = torch.cat([past[:, None].expand(-1, 3, -1, -1), future], 2).flatten(0, 1)
    expected = transformer(whole, steps_of(3), frame_causal(steps_of(3), WINDOW) & kinds)[:, 2:]
    torch.testing.assert_close(torch.cat(seen, 2), expected.unflatten(0, (2, 3)), **CLOSE)


def test_forgotten_tokens_leave_no_trace_in_a_belief(transformer):
    _, cache = transformer.prefix(noise(1, 4), steps_of(2), frame_causal(steps_of(2), WINDOW))
    cache, nothing = cache.seen_where(torch.zeros(1, 4, dtype=torch.bool)), transformer.nothing(1, 4)
    for name in ("keys", "values", "step"):
        assert torch.equal(getattr(cache, name), getattr(nothing, name))


@torch.inference_mode()
def test_frames_are_appended_to_memory_that_holds_them_and_never_over_what_another_belief_holds(transformer):
    def append(past: Cache, seed: int, position: int) -> tuple[torch.Tensor, Cache]:
        return transformer.append(noise(3, TOKENS, seed=seed), torch.full((3,), position), past, kept)

    kept = (WINDOW - 1) * TOKENS
    _, past = append(transformer.nothing(3, kept), seed=1, position=0)
    _, longer = append(past, seed=2, position=1)
    assert longer.room is past.room
    before = longer.keys.clone()
    out, other = append(past, seed=3, position=1)
    assert torch.equal(longer.keys, before)
    assert other.room is not past.room
    torch.testing.assert_close(other.keys[:, :, :, :TOKENS], past.keys[:, :, :, TOKENS:])
    x = torch.cat([noise(3, TOKENS, seed=seed) for seed in (1, 3)], 1)
    torch.testing.assert_close(out, read(transformer, x)[:, TOKENS:], **CLOSE)
