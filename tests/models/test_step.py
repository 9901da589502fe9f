"""One imagined step at a time is the same future as all at once, for whoever reacts to what is imagined."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.models.test_contract import actions, assert_same, joined
from tests.models.worlds import ACTION, KINDS, SIGHT, STATE, looking, make_informed, noise_windows
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

HORIZON = 14
"""Longer than twice what any small model looks back at, and than the windows that it is trained on."""


@dataclass
class Place(State):
    at: Tensor  # [B, STATE]


class Imaginer(WorldModel):
    """Somebody's model, which has no step of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = DataSpec({"state": (STATE,)}, ACTION)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def observe(self, windows: Windows, state: State | None = None) -> tuple[Place, Imagination]:
        seen = windows.observation["state"]
        return Place(seen[:, -1]), self._of(seen[:, None])

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        assert isinstance(state, Place)
        now, places = state.at[:, None].expand(-1, actions.shape[1], -1), []
        for action in actions.unbind(2):
            now = torch.sin(2 * now + action.sum(-1, keepdim=True))
            places.append(now)
        return self._of(torch.stack(places, 2))

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return {"state": imagination.features}

    def _of(self, places: Tensor) -> Imagination:
        return Imagination(places, places.sum(-1), places[..., 0].sigmoid())


class Unchecked(Imaginer):
    def imagine(self, state: State, actions: Tensor) -> Imagination:
        return self._of(state.at[:, None, None] + actions.sum(-1, keepdim=True))  # type: ignore[attr-defined]


def build(kind: str) -> WorldModel:
    return Imaginer().eval() if kind == "other" else make_informed(kind, ensemble=3).eval()


@pytest.fixture(params=[*KINDS, "other"])
def model(request: pytest.FixtureRequest) -> WorldModel:
    return build(request.param)


@pytest.fixture(params=KINDS)
def own(request: pytest.FixtureRequest) -> WorldModel:
    """A model with a step of its own."""
    return build(request.param)


def stepwise(model: WorldModel, state: State, plans: Tensor) -> tuple[State, Imagination]:
    """What H steps along plans [B, H, A] lead to, and show: [B, 1, H, ...]."""
    parts = []
    for action in plans.unbind(1):
        state, part = model.step(state, action)
        assert part.features.shape[:3] == (len(plans), 1, 1)
        parts.append(part)
    return state, Imagination.joined(parts)


def after_a_reset() -> Windows:
    """Three rows of which the second began anew three steps ago."""
    data = joined(noise_windows(seed=1), noise_windows(seed=2, steps=3))
    data.first[[0, 2], 7] = False
    return data


@pytest.mark.parametrize("data", [noise_windows(), noise_windows(steps=1), after_a_reset()], ids=["7", "1", "reset"])
@torch.inference_mode()
def test_steps_are_one_imagination(model, data):
    belief, plans = model.encode(data), actions(3, 4, HORIZON)
    whole = model.imagine(belief, plans)
    _, steps = stepwise(model, belief.expand(4), plans.flatten(0, 1))
    assert_same(Imagination(*(None if v is None else v[:, 0].unflatten(0, (3, 4)) for v in steps)), whole)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_steps_are_one_imagination_where_images_are_all_there_is(kind):
    model, plans = make_informed(kind, SIGHT, ensemble=3).eval(), actions(3, 6)
    belief = model.encode(looking())
    assert_same(stepwise(model, belief, plans)[1], model.imagine(belief, plans[:, None]))


@torch.inference_mode()
def test_rows_of_a_stepped_belief_are_chosen_expanded_moved_and_replaced(model):
    belief, plans, more = model.encode(noise_windows()), actions(3, 3), actions(6, 5)
    stepped, _ = stepwise(model, belief, plans)
    chosen = torch.tensor([True, False, True])
    some, _ = stepwise(model, belief[chosen], plans[chosen])
    branches = [stepped[chosen].expand(3).to("cpu"), some.expand(3)]
    assert_same(*(stepwise(model, branch, more)[1] for branch in branches))
    fresh = model.encode(noise_windows(seed=5))
    mixed = stepwise(model, stepped.put(~chosen, fresh[~chosen]), more[:3])[1]
    apart = stepwise(model, stepped, more[:3])[1], stepwise(model, fresh, more[:3])[1]
    assert_same(Imagination(*(None if v is None else v[chosen] for v in mixed)), rows(apart[0], chosen))
    assert_same(rows(mixed, ~chosen), rows(apart[1], ~chosen))


def rows(seen: Imagination, chosen: Tensor) -> Imagination:
    return Imagination(*(None if v is None else v[chosen] for v in seen))


@torch.inference_mode()
def test_a_step_leaves_the_belief_that_it_was_taken_from_as_it_was(model):
    belief, plans = model.encode(noise_windows()), actions(3, 2, 6)
    now, _ = stepwise(model, belief, actions(3, 3))
    left, _ = stepwise(model, now, plans[:, 0, :2])
    right, _ = stepwise(model, now, plans[:, 1, :2])
    alone = stepwise(model, stepwise(model, belief, actions(3, 3))[0], plans[:, 0])[1]
    assert_same(
        stepwise(model, left, plans[:, 0, 2:])[1], Imagination(*(None if v is None else v[:, :, 2:] for v in alone))
    )
    assert not torch.equal(stepwise(model, right, plans[:, 1, 2:])[1].reward, alone.reward[:, :, 2:])


@torch.inference_mode()
def test_a_stepped_belief_is_imagined_from_and_observed_on_like_any_other(own):
    belief, plans = own.encode(noise_windows()), actions(3, 2, HORIZON)
    now, _ = stepwise(own, belief, plans[:, 0, :5])
    plans[:, 1, :5] = plans[:, 0, :5]
    whole = own.imagine(belief, plans)
    assert_same(own.imagine(now, plans[:, :, 5:]), Imagination(*(v[:, :, 5:] for v in whole)))
    later, data = own.encode(noise_windows(seed=3), now), noise_windows(seed=3)
    assert_same(later, own.encode(data)), "it began anew"
    data.first[:] = False
    together, apart = own.observe(data, now)[0], now
    for t in range(data.shape[1]):
        apart = own.encode(data[:, t : t + 1], apart)
    assert_same(together, apart)


@torch.inference_mode()
def test_several_steps_at_once_are_as_many_one_by_one(model):
    belief, plans = model.encode(noise_windows()), actions(3, 7)
    now, seen = model.advance(belief, plans[:, :3])
    later, more = model.advance(now, plans[:, 3:])
    after, steps = stepwise(model, belief, plans)
    assert_same(Imagination.joined([seen, more]), steps)
    assert_same(later, after)


def test_whoever_imagines_from_an_inherited_step_is_told_to_write_one():
    model = Unchecked()
    belief, _ = model.step(model.encode(noise_windows()), actions(3))
    with pytest.raises(AttributeError, match=r"has no 'at' and can only be stepped on; give the model a `step` of"):
        model.imagine(belief, actions(3, 1, 4))


def test_gradients_reach_the_actions_through_steps(model):
    belief, plans = model.encode(noise_windows()), actions(3, 6).requires_grad_()
    (stepped,) = torch.autograd.grad(stepwise(model, belief, plans)[1].reward[:, :, -1].sum(), plans)
    (whole,) = torch.autograd.grad(model.imagine(belief, plans[:, None])[1][:, :, -1].sum(), plans)
    assert (whole[:, 0] != 0).any()
    torch.testing.assert_close(stepped, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3,), (3, 3), (2, 2), (3, 1, 2), (3, 1, 1, 2)])
def test_actions_of_another_shape_are_refused(model, shape):
    belief = model.encode(noise_windows())
    with pytest.raises(ValueError, match=r"actions must be \[B, A\] with B=3 beliefs and A=2 dimensions, found \["):
        model.step(belief, torch.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 2), (3, 4, 2), (2, 1, 4, 2), (3, 1, 4, 3), (3, 1, 0, 2)])
def test_plans_of_another_shape_are_refused(own, shape):
    belief = own.encode(noise_windows())
    with pytest.raises(ValueError, match=r"actions must be \[B, N, H, A\] with B=3 beliefs and A=2 dimensions"):
        own.imagine(belief, torch.zeros(shape))
