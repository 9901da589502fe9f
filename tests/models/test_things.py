"""Things of a kind are moved by one network: what is learned of one is known of all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.worlds import ACTION, make, make_informed, windows
from wm_lab.models.parts.things import ThingDynamics, thing_dynamics
from wm_lab.world_model import DataSpec, WorldModel

FAMILIES = ("rssm-gaussian", "latent_mlp", "mdn_rnn", "decoder_only")
HAND, SLOTS, PRESENT, COMMAND = 0, (3, 10), (17, 18), 19
SIZE = 20


def spec_of(std: float = 1.0) -> DataSpec:
    """A hand of three numbers, two things with a slot each, and a number that says which of them is meant."""
    rotations = [-1, *(slot + 3 for slot in SLOTS)]
    return DataSpec(
        {"state": (SIZE,)},
        action_size=ACTION,
        mean={"state": [0.1] * SIZE, "reward": [0.0]},
        std={"state": [std] * SIZE, "reward": [1.0]},
        std_change={"state": [0.01] * SIZE, "reward": [1.0]},
        changes={"state": [True] * 17 + [False] * 3},
        points={"state": [HAND, *SLOTS]},
        rotations={"state": rotations},
        present={"state": [-1, *PRESENT]},
    )


def scenes(count: int, seed: int = 0) -> Tensor:
    """States [count, D] with both things there, within two decimetres of the hand."""
    draw = torch.Generator().manual_seed(seed)
    state = 0.2 * torch.rand(count, SIZE, generator=draw)
    state[:, PRESENT[0] :] = 1.0
    return state


def after(dynamics: ThingDynamics, state: Tensor, action: Tensor, std: float = 1.0) -> Tensor:
    """What follows, in the state's own units, if without the things nothing changed."""
    z = (state - 0.1) / std
    return dynamics(z, z, action) * std + 0.1


def swapped(state: Tensor) -> Tensor:
    one, other = (slice(slot, slot + 7) for slot in SLOTS)
    told = state.clone()
    told[..., one], told[..., other] = state[..., other], state[..., one]
    told[..., [*PRESENT]] = state[..., [*reversed(PRESENT)]]
    return told


def informed(std: float = 1.0) -> ThingDynamics:
    torch.manual_seed(1)
    dynamics = ThingDynamics(spec_of(std), units=16)
    torch.nn.init.normal_(dynamics.net[-1].weight)
    return dynamics


def test_untrained_it_leaves_the_prediction_as_it_is():
    state, action = scenes(5), torch.ones(5, ACTION)
    torch.testing.assert_close(after(ThingDynamics(spec_of(), 16), state, action), state)


def test_the_poses_of_present_things_change_and_nothing_else():
    state, action = scenes(5), torch.ones(5, ACTION)
    state[:, PRESENT[1]] = 0.0
    change = after(informed(), state, action) - state
    first = slice(SLOTS[0], SLOTS[0] + 7)
    assert (change[:, first].abs() > 1e-6).all()
    change[:, first] = 0.0
    assert change.abs().max() < 1e-6, "what is absent stays, and so do hand, presence and command"


def test_things_that_change_places_are_moved_as_the_other_was():
    state, action = scenes(5), torch.rand(5, ACTION)
    dynamics = informed()
    torch.testing.assert_close(after(dynamics, swapped(state), action), swapped(after(dynamics, state, action)))


def test_one_thing_does_not_see_another():
    state, action = scenes(5), torch.rand(5, ACTION)
    moved = state.clone()
    moved[:, SLOTS[1] : SLOTS[1] + 7] += 0.05
    both = [after(informed(), of, action)[:, SLOTS[0] : SLOTS[0] + 7] for of in (state, moved)]
    torch.testing.assert_close(*both)


def test_a_push_that_only_one_was_ever_given_is_known_of_the_other():
    """A thing within 8 cm of the hand goes along with it, 1 cm an action; the second is always out of reach."""

    def pushed(state: Tensor, action: Tensor, slot: int) -> Tensor:
        near = (state[:, slot : slot + 3] - state[:, :3]).norm(dim=-1, keepdim=True) < 0.08
        return 0.01 * torch.nn.functional.pad(action, (0, 1)) * near

    torch.manual_seed(0)
    dynamics = ThingDynamics(spec_of(), units=32)
    optimiser = torch.optim.Adam(dynamics.parameters(), 3e-3)
    draw = torch.Generator().manual_seed(2)
    for step in range(600):
        state = scenes(256, seed=step)
        state[:, SLOTS[1] : SLOTS[1] + 3] += 1.0
        action = 2 * torch.rand(256, ACTION, generator=draw) - 1
        target = state.clone()
        target[:, SLOTS[0] : SLOTS[0] + 3] += pushed(state, action, SLOTS[0])
        loss = (after(dynamics, state, action) - target).square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    state, action = scenes(500, seed=10_000), 2 * torch.rand(500, ACTION, generator=draw) - 1
    for slot in SLOTS:
        truth = pushed(state, action, slot)
        error = after(dynamics, state, action)[:, slot : slot + 3] - state[:, slot : slot + 3] - truth
        assert error.square().sum() < 0.3 * truth.square().sum()


def test_there_is_none_without_things_or_where_nobody_asks():
    bare = DataSpec({"state": (3,)}, 1, points={"state": [0]}, rotations={"state": [-1]}, present={"state": [-1]})
    always_there = DataSpec(
        {"state": (7,)}, 1, points={"state": [0]}, rotations={"state": [3]}, present={"state": [-1]}
    )
    before = DataSpec({"state": (7,)}, 1, points=bare.points)  # as models of older data say it
    assert all(thing_dynamics(spec, 16) is None for spec in (bare, always_there, before))
    assert thing_dynamics(spec_of(), 0) is None and thing_dynamics(spec_of(), 16) is not None


def plans(count: int, steps: int) -> Tensor:
    """[3, count, steps, 3]"""
    return 2 * torch.rand(3, count, steps, ACTION, generator=torch.Generator().manual_seed(3)) - 1


def seen_by(model: WorldModel) -> object:
    state = scenes(12).unflatten(0, (3, 4))
    return model.observe(windows(state, torch.zeros(3, 4, ACTION)))[0]


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_step_at_a_time_is_the_same_future_as_all_at_once(kind: str):
    model = make_informed(kind, spec_of(), thing_units=16).eval()
    plan = plans(1, 6)
    with torch.no_grad():
        now, steps = seen_by(model), []
        for action in plan[:, 0].unbind(1):
            now, ahead = model.step(now, action)
            steps.append(ahead.features[:, 0, 0])
        torch.testing.assert_close(torch.stack(steps, 1), model.imagine(seen_by(model), plan).features[:, 0])


@pytest.mark.parametrize("kind", FAMILIES)
def test_each_family_has_it_and_can_do_without(kind: str):
    """Untrained, both imagine the linear prediction; what the network says is what differs."""
    plan = plans(2, 4)
    with_it, without = (make(kind, spec_of(), thing_units=units).eval() for units in (16, 0))
    extra = sum(p.numel() for p in with_it.parameters()) - sum(p.numel() for p in without.parameters())
    assert extra == sum(p.numel() for p in ThingDynamics(spec_of(), 16).parameters())
    net = next(module for module in with_it.modules() if isinstance(module, ThingDynamics)).net
    with torch.no_grad():
        before = with_it.decode(with_it.imagine(seen_by(with_it), plan))["state"]
        torch.nn.init.normal_(net[-1].weight)
        change = with_it.decode(with_it.imagine(seen_by(with_it), plan))["state"] - before
    poses = [at for slot in SLOTS for at in range(slot, slot + 7)]
    assert (change[..., poses].abs() > 1e-6).all()
