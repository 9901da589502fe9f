"""Local planning: around a proposal, never worse than it, and only where the demonstrations moved."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wm_lab.errors import UserError
from wm_lab.planners import Local, LocalConfig
from wm_lab.policies.proposals import demonstrated_share
from wm_lab.world_model import DataSpec

PROPOSED = torch.tensor([[0.5, -0.2], [0.4, -0.1], [0.3, 0.0], [0.2, 0.1]])  # [H, A]


def seeds(rows: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]


def bowl(target: Tensor):
    return lambda actions: -(actions - target).square().sum((-1, -2))


def plan(score, rows: int = 1, proposal: Tensor = PROPOSED, **options):
    return Local(LocalConfig(**options), 2).plan(score, seeds(rows), proposals=proposal.expand(rows, 1, -1, -1))


def test_it_moves_from_the_proposal_towards_an_optimum_beside_it():
    target = PROPOSED + 0.1
    once, often = (plan(bowl(target), 20, iterations=iterations) for iterations in (1, 8))
    before = (PROPOSED - target).norm()
    assert ((once.actions - target).flatten(1).norm(dim=1) < 0.75 * before).all()
    assert ((often.actions - target).flatten(1).norm(dim=1) < 0.2 * before).all()


def test_it_stays_near_the_proposal_however_far_off_the_optimum_is():
    found = plan(lambda actions: actions.sum((-1, -2)), 20)
    assert (found.actions - PROPOSED).abs().max() < 0.2, "2 standard deviations: nobody searches the whole box"


def test_a_proposal_that_is_best_is_played_as_it_is():
    found = plan(bowl(PROPOSED), 20)
    assert torch.equal(found.actions, PROPOSED.expand(20, -1, -1)) and (found.score == 0).all()


@pytest.mark.parametrize("iterations", [1, 3])
def test_no_plan_scores_below_the_proposal_where_that_is_all_but_best(iterations):
    score = bowl(PROPOSED + 0.012)
    found = plan(score, 200, iterations=iterations)
    assert (found.score >= score(PROPOSED)).all()
    assert torch.equal(score(found.actions[:, None])[:, 0], found.score)
    kept = (found.actions == PROPOSED).flatten(1).all(1)
    assert kept.any() and not kept.all(), "some means of elites lose to the proposal: the test tests something"


def test_a_proposal_is_left_only_for_a_plan_that_promises_more_than_the_margin():
    score = bowl(PROPOSED + 0.05)
    gain = plan(score, 200).score - score(PROPOSED)
    careful = plan(score, 200, margin=float(gain.median()))
    kept = (careful.actions == PROPOSED).flatten(1).all(1)
    assert torch.equal(kept, gain < gain.median()) and 50 < kept.sum() < 150
    assert torch.equal(careful.score[kept], score(PROPOSED).expand(int(kept.sum())))


def test_an_action_that_was_never_demonstrated_to_move_is_never_moved():
    share = demonstrated_share(DataSpec({"state": (1,)}, 2, action_std=[0.3, 0.0]))
    assert share.tolist() == pytest.approx([0.6, 0.0])
    seen = []

    def score(actions: Tensor) -> Tensor:
        seen.append(actions)
        return actions.sum((-1, -2))

    planner = Local(LocalConfig(iterations=2), 2).narrow(share)
    found = planner.plan(score, seeds(3), proposals=PROPOSED.expand(3, 1, -1, -1))
    drawn = torch.cat([actions[..., 1].flatten(0, 1) for actions in seen])
    assert torch.equal(drawn, PROPOSED[:, 1].expand_as(drawn))
    assert torch.equal(found.actions[..., 1], PROPOSED[:, 1].expand(3, -1)) and (found.actions[..., 0] > 0.2).all()
    assert (seen[0][..., 0] - PROPOSED[:, 0]).std().item() == pytest.approx(0.06, rel=0.1)


def test_where_no_deviation_is_known_every_action_may_be_moved():
    assert demonstrated_share(DataSpec({"state": (1,)}, 2)).tolist() == [1.0, 1.0]
    assert demonstrated_share(DataSpec({"state": (1,)}, 2, action_std=[0.9, 0.5])).tolist() == [1.0, 1.0]


def test_the_last_call_rates_the_plan_or_the_call_before_has_it():
    calls = []

    def score(actions: Tensor) -> Tensor:
        calls.append(actions)
        return bowl(PROPOSED)(actions)

    found = plan(score, 5)
    assert [call.shape[1] for call in calls] == [128, 1]
    assert (calls[0] == found.actions[:, None]).flatten(2).all(2).any(1).all(), "the proposal, a candidate"


def test_nothing_is_taken_over_from_the_previous_plan():
    planner = Local(LocalConfig(), 2)
    before = planner.plan(bowl(-PROPOSED), seeds(2), proposals=-PROPOSED.expand(2, 1, -1, -1))
    score, proposals = bowl(PROPOSED + 0.1), PROPOSED.expand(2, 1, -1, -1)
    warm, fresh = (planner.plan(score, seeds(2), start, proposals) for start in (before.shift(1), None))
    assert torch.equal(warm.actions, fresh.actions)


def test_a_row_without_any_finite_score_plays_the_proposal_and_says_so():
    def second_row_only(actions: Tensor) -> Tensor:
        return torch.where(torch.tensor([[False], [True]]), bowl(PROPOSED + 0.1)(actions), torch.nan)

    found = plan(second_row_only, 2)
    assert found.failed.tolist() == [True, False]
    assert torch.equal(found.actions[0], PROPOSED) and not torch.equal(found.actions[1], PROPOSED)


def test_a_proposal_that_is_no_number_is_none():
    broken = torch.stack([PROPOSED, PROPOSED])[:, None].clone()
    broken[0, 0, 2, 1] = torch.nan
    found = Local(LocalConfig(), 2).plan(bowl(torch.zeros(4, 2)), seeds(2), proposals=broken)
    assert found.actions.isfinite().all() and found.actions[0].abs().max() < 0.2


def test_without_a_proposal_it_says_that_nobody_proposes():
    with pytest.raises(UserError, match="searches around what a clone proposes, and nobody proposes anything here"):
        Local(LocalConfig(), 2).plan(bowl(PROPOSED), seeds(1))


def test_eight_rows_equal_eight_batches_of_one_bit_for_bit():
    planner = Local(LocalConfig(), 2)
    proposals = torch.linspace(-1, 1, 8 * 4 * 2).view(8, 1, 4, 2)
    together = planner.plan(bowl(PROPOSED), seeds(8), proposals=proposals)
    for row in range(8):
        generator = [torch.Generator().manual_seed(row)]
        alone = planner.plan(bowl(PROPOSED), generator, proposals=proposals[row : row + 1])
        assert torch.equal(together.actions[row], alone.actions[0])
