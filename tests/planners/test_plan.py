"""A plan moves in time by executed steps, and its rows are independent."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from wm_lab.planners import CEM, CEMConfig, Plan
from wm_lab.planners.plan import to_knots, to_steps


def plan_of(mean: torch.Tensor, horizon: int, block: int) -> Plan:
    """A plan whose mean, elites and actions are all `mean` [B, K, A]."""
    blank = CEM(CEMConfig(horizon=horizon, action_block=block), mean.shape[-1]).blank(len(mean))
    return replace(blank, mean=mean, actions=to_steps(mean, horizon, block), elites=mean[:, None].repeat(1, 32, 1, 1))


def test_shifting_by_whole_blocks_moves_knots_and_holds_the_last():
    plan = plan_of(torch.tensor([[[1.0], [2.0], [3.0], [4.0]]]) / 4, horizon=10, block=3)  # the last knot has one step
    later = plan.shift(3)
    assert torch.equal(later.mean.flatten() * 4, torch.tensor([2.0, 3.0, 4.0, 4.0]))
    assert torch.equal(later.elites[0, 5], later.mean[0])
    assert torch.equal(later.actions[0, :7], plan.actions[0, 3:])


def test_shifting_within_a_block_averages_what_a_knot_now_covers():
    plan = plan_of(torch.tensor([[[0.0], [0.9]]]), horizon=6, block=3)
    assert plan.shift(1).mean.flatten().tolist() == pytest.approx([0.3, 0.9])


def test_shifting_past_the_end_holds_the_last_action():
    plan = plan_of(torch.tensor([[[0.1], [0.2], [0.3]]]), horizon=3, block=1)
    assert plan.shift(7).mean.flatten().tolist() == pytest.approx([0.3, 0.3, 0.3])


@pytest.mark.parametrize(("horizon", "block"), [(6, 3), (7, 3), (5, 1), (2, 4)])
def test_knots_survive_the_trip_through_steps(horizon, block):
    knots = torch.rand(2, 3, -(-horizon // block), 4)
    assert torch.allclose(to_knots(to_steps(knots, horizon, block), block), knots)


def test_rows_are_taken_and_put_without_touching_the_others():
    first, second = plan_of(torch.rand(3, 4, 2), 4, 1), plan_of(torch.rand(2, 4, 2), 4, 1)
    both = first.put(torch.tensor([True, False, True]), second)
    assert torch.equal(both[[0, 2]].actions, second.actions)
    assert torch.equal(both.mean[1], first.mean[1])
    assert not torch.equal(first.actions[0], second.actions[0])  # the original is unchanged


def test_a_reset_row_knows_nothing():
    plan = plan_of(torch.rand(2, 4, 2), 4, 1).reset([0])
    assert (plan.mean[0] == 0).all()
    assert (plan.elite_scores[0] == -torch.inf).all()
    assert plan.mean[1].abs().sum() > 0
