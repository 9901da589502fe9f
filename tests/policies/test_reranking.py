"""From coarse to fine: one model is searched, another chooses among the elites."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.policies.linear_world import LinearModel, PointState, WatchedCEM, assert_episodes_do_not_meet, play
from wm_lab.objectives import Objective, predicted_reward
from wm_lab.planners import CEM, MPPI, CEMConfig, MPPIConfig, Plan, RandomShooting, RandomShootingConfig
from wm_lab.policies import MPC, MPCConfig
from wm_lab.policies.model_rollout import ModelRollout
from wm_lab.world_model import Imagination

HORIZON, CANDIDATES, ITERATIONS, ELITES = 8, 64, 2, 16
SIZES = {"horizon": HORIZON, "candidates": CANDIDATES, "iterations": ITERATIONS, "elites": ELITES}
PLANNERS = [(CEM, CEMConfig), (MPPI, MPPIConfig), (RandomShooting, RandomShootingConfig)]
REWARD = Objective([(1.0, predicted_reward)])


class Wrong(LinearModel):
    """Believes that actions push `gain` times as hard as they do."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def imagine(self, state: PointState, actions: Tensor) -> Imagination:
        return super().imagine(state, self.gain * actions)


class Counting(LinearModel):
    """Notes how many candidates it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, ...]] = []

    def imagine(self, state: PointState, actions: Tensor) -> Imagination:
        self.asked.append(tuple(actions.shape))
        return super().imagine(state, actions)


class Blind(LinearModel):
    """Cannot tell any future."""

    def imagine(self, state: PointState, actions: Tensor) -> Imagination:
        seen = super().imagine(state, actions)
        return seen._replace(reward=torch.full_like(seen.reward, torch.nan))


def build(model: LinearModel, reranker: LinearModel | None, kinds=PLANNERS[0], execute: int = 1, **options) -> MPC:
    planner = kinds[0](kinds[1](**{**SIZES, **options}), 1)
    second = None if reranker is None else ModelRollout(reranker, REWARD)
    return MPC(MPCConfig(execute), model, planner, REWARD, reranker=second)


@pytest.mark.parametrize("kinds", PLANNERS, ids=lambda kinds: kinds[0].__name__)
def test_the_same_model_twice_chooses_the_best_elite_or_the_search_s_own_plan(kinds):
    found: list[Plan] = []

    class Spy(kinds[0]):
        def plan(self, *arguments):
            found.append(super().plan(*arguments))
            return found[-1]

    mpc = build(LinearModel(), LinearModel(), (Spy, kinds[1]))
    play(mpc, list(range(8)), 1)
    for row in range(8):
        (decision,), plan = mpc.decisions[row], found[0]
        better = plan.elite_scores[row, 0] > plan.score[row]
        np.testing.assert_array_equal(decision.actions, (plan.elites[row, 0] if better else plan.mean[row]))
        assert decision.score == pytest.approx(float(max(plan.elite_scores[row, 0], plan.score[row])), abs=1e-6)
        assert decision.rewards.mean() == pytest.approx(decision.score, abs=1e-6), "its rewards are the chosen plan's"


@pytest.mark.parametrize("kinds", PLANNERS, ids=lambda kinds: kinds[0].__name__)
def test_the_true_model_corrects_one_that_thinks_actions_strong(kinds):
    seeds, steps = list(range(8)), 15
    (_, alone), (_, corrected), (_, best) = (
        play(build(*models, kinds), seeds, steps)
        for models in ((Wrong(2.5), None), (Wrong(2.5), LinearModel()), (LinearModel(), None))
    )
    assert corrected.sum() - best.sum() < 0.5 * (alone.sum() - best.sum())
    assert (corrected < alone).mean() > 0.8


def test_no_candidate_is_better_under_the_truth_than_the_chosen_one():
    model, truth = Wrong(2.5), LinearModel()
    planner = CEM(CEMConfig(**SIZES), 1)
    start = PointState(torch.tensor([[0.3, 0.1], [-0.2, 0.3]]), torch.ones(2), torch.zeros(2, 1))
    generators = [torch.Generator().manual_seed(k) for k in range(2)]

    def score_of(by: LinearModel):
        return lambda actions: REWARD(by.imagine(start, actions), actions)

    coarse = planner.plan(score_of(model), generators)
    fine = planner.rerank(coarse, score_of(truth))
    candidates = torch.cat([coarse.mean[:, None], coarse.elites[:, :-1]], 1)
    under_truth = score_of(truth)(candidates)
    torch.testing.assert_close(fine.score, under_truth.amax(1))
    assert torch.equal(fine.actions, candidates[torch.arange(2), under_truth.argmax(1)])
    assert fine.score[0] > under_truth[0, :2].amax(), "neither the search's plan nor its favourite elite was best"
    assert (fine.elite_scores.diff(dim=1) <= 0).all() and torch.equal(fine.mean, fine.elites[:, 0])


def test_the_reranker_imagines_the_elites_once_a_decision_and_both_costs_are_told():
    slow = Counting()
    mpc = build(LinearModel(), slow, execute=2)
    play(mpc, [0, 1, 2], 4)
    assert slow.asked == [(3, ELITES, HORIZON, 1)] * 2
    for decision in mpc.decisions[0]:
        assert decision.searched == (CANDIDATES * ITERATIONS + 1) * HORIZON
        assert decision.reranked == ELITES * HORIZON
    alone = build(LinearModel(), None)
    play(alone, [0], 1)
    assert alone.decisions[0][0].reranked == 0


def test_eight_episodes_together_are_eight_alone():
    mpc = build(Wrong(0.4), LinearModel(), execute=2)
    assert_episodes_do_not_meet(mpc, 1e-5)
    together, _ = play(mpc, list(range(8)), 5)
    alone = np.concatenate([play(mpc, [seed], 5)[0] for seed in range(8)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_belief_of_the_reranker_takes_in_every_step():
    slow = LinearModel()
    mpc = build(LinearModel(), slow, execute=3)
    play(mpc, [0, 1], 7)
    assert mpc.reranker.beliefs.state.steps.tolist() == [7, 7]


def test_a_reranker_that_finds_everything_impossible_leaves_the_plan_as_it_was():
    (unmoved, _), (alone, _) = (play(build(LinearModel(), by), [5], 4) for by in (Blind(), None))
    np.testing.assert_array_equal(unmoved, alone)


def test_a_search_without_any_elite_offers_what_it_fell_back_to():
    mpc = build(Blind(), LinearModel())
    actions, _ = play(mpc, [5], 2)
    assert (actions == 0).all() and all(d.failed for d in mpc.decisions[0])


def test_the_next_search_starts_at_the_reranked_plan():
    mpc = build(Wrong(0.4), LinearModel(), (WatchedCEM, CEMConfig), execute=2)
    play(mpc, [4], 4)
    plan = torch.from_numpy(mpc.decisions[0][0].actions).flatten()
    assert torch.equal(mpc.planner.starts[1], torch.cat([plan[2:], plan[-1:], plan[-1:]]))


def test_what_either_model_observes_is_asked_for():
    slow = LinearModel()
    slow.spec.observation["snapshot"] = (4,)
    assert build(LinearModel(), slow).observation_keys == ("state", "snapshot")
