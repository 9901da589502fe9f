"""MPC on a linear system whose best control is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.policies.linear_world import (
    LinearModel,
    LinearTask,
    WatchedCEM,
    assert_episodes_do_not_meet,
    optimal_cost,
    play,
)
from wm_lab.errors import UserError
from wm_lab.objectives import Objective, ObjectiveConfig, build_objective, predicted_reward
from wm_lab.planners import CEM, CEMConfig
from wm_lab.policies import MPC, MPCConfig
from wm_lab.policy import Moment
from wm_lab.settings import read_config

HORIZON = 8


def build(execute: int = 1, objective: Objective | None = None, proposals=None, model=None, **planner) -> MPC:
    settings = {"horizon": HORIZON, "candidates": 64, "iterations": 4, "elites": 8, "std_min": 0.02, **planner}
    return MPC(
        MPCConfig(execute=execute),
        model or LinearModel(),
        CEM(CEMConfig(**settings), 1),
        objective or Objective([(1.0, predicted_reward)]),
        proposals,
    )


def test_mpc_comes_close_to_the_optimal_cost_of_a_linear_system():
    seeds, steps = [0, 1, 2, 3], 25
    mpc = build(candidates=256, iterations=8, elites=24, std_min=0.01)
    _, costs = play(mpc, seeds, steps)
    best = np.array([optimal_cost(LinearTask().reset(seed), steps) for seed in seeds])
    _, still = play(build(candidates=2, elites=1, keep_elites=0, std_init=[1e-6], std_min=0.0), seeds, steps)
    assert (costs >= best - 1e-5).all()
    assert costs.sum() < 1.02 * best.sum()
    assert still.sum() > 1.5 * best.sum()  # standing still would not have passed


@pytest.mark.parametrize("execute", [1, 3])
def test_an_episode_is_played_the_same_alone_beside_others_and_begun_late(execute):
    assert_episodes_do_not_meet(build(execute), 1e-5)


def test_a_new_episode_in_a_row_starts_from_nothing():
    mpc = build(execute=2)
    play(mpc, [1, 2], 5)
    mpc_again, _ = play(mpc, [3, 2], 5)
    fresh, _ = play(build(execute=2), [3, 2], 5)
    np.testing.assert_array_equal(mpc_again, fresh)

    # the same without `start`: row 0 is reset in the middle, row 1 plays on undisturbed
    def run(restart: bool) -> np.ndarray:
        mpc, tasks = build(execute=2), [LinearTask(), LinearTask()]
        mpc.start(2)
        state = np.stack([task.reset(seed) for task, seed in zip(tasks, [1, 2], strict=True)])
        for row in range(2):
            mpc.reset(row, tasks[row], row + 1)
        last, taken = np.zeros((2, 1), np.float32), []
        for time in range(9):
            first = np.array([time == 0 or (restart and time == 3), time == 0])
            if restart and time == 3:
                state[0] = tasks[0].reset(3)
                mpc.reset(0, tasks[0], 3)
            last = np.where(first[:, None], 0, last).astype(np.float32)
            last = mpc.act(Moment(np.arange(2), {"state": state}, last, first))
            state = np.stack([task.step(action)[0] for task, action in zip(tasks, last, strict=True)])
            taken.append(last)
        return np.array(taken)

    restarted, undisturbed = run(True), run(False)
    np.testing.assert_allclose(restarted[:, 1], undisturbed[:, 1], atol=1e-5)
    np.testing.assert_allclose(restarted[3:8, 0], fresh[0], atol=1e-5)


def test_plans_are_made_only_when_due_and_executed_step_by_step():
    model = LinearModel()
    mpc = build(execute=3, model=model)
    actions, _ = play(mpc, [0, 1], 7, delays=[0, 1])
    assert [d.step for d in mpc.decisions[0]] == [0, 3, 6]
    assert [d.batch for d in mpc.decisions[0]] == [1, 1, 1]  # the other row is a step behind
    for row in range(2):
        for decision in mpc.decisions[row]:
            executed = actions[row, decision.step : decision.step + 3]
            np.testing.assert_array_equal(executed, decision.actions[: len(executed)])
    assert set(model.imagined_rows) == {1}


def test_the_belief_takes_in_every_step_and_the_action_really_executed():
    mpc = build(execute=4)
    mpc.start(3)
    task = LinearTask()
    for row in range(3):
        mpc.reset(row, task, row)
    state = task.reset(0)[None].repeat(3, 0)
    everyone, start = np.arange(3), np.ones(3, bool)
    mpc.act(Moment(everyone, {"state": state}, np.zeros((3, 1), np.float32), start))
    executed = np.array([[0.5], [-0.25]], np.float32)  # noise was added by whoever plays
    mpc.act(Moment(np.array([2, 0]), {"state": state[:2] + 1}, executed, ~start[:2]))
    assert mpc.rollout.beliefs.state.steps.tolist() == [2, 1, 2]
    assert mpc.rollout.beliefs.state.last_action.flatten().tolist() == [-0.25, 0, 0.5]
    assert torch.equal(mpc.rollout.beliefs.state.x[0], mpc.rollout.beliefs.state.x[1] + 1)


def test_the_imagined_rewards_of_the_chosen_plan_come_true_in_a_perfect_model():
    mpc = build(execute=HORIZON)
    actions, costs = play(mpc, [0, 1], HORIZON)
    for row in range(2):
        (decision,) = mpc.decisions[row]
        np.testing.assert_array_equal(decision.actions, actions[row])
        assert decision.predicted_return == pytest.approx(-costs[row], abs=1e-5)
        assert decision.score == pytest.approx(-costs[row] / HORIZON, abs=1e-5)
        assert decision.milliseconds > 0
        assert not decision.failed


def test_the_warm_start_is_the_last_plan_shifted_by_the_executed_steps():
    mpc = MPC(
        MPCConfig(execute=2),
        LinearModel(),
        WatchedCEM(CEMConfig(horizon=6, candidates=32, elites=4), 1),
        Objective([(1.0, predicted_reward)]),
    )
    play(mpc, [4], 4)
    plan = torch.from_numpy(mpc.decisions[0][0].actions).flatten()
    assert (mpc.planner.starts[0] == 0).all()
    assert torch.equal(mpc.planner.starts[1], torch.cat([plan[2:], plan[-1:], plan[-1:]]))


def test_latent_goals_belong_to_their_rows():
    mpc = build(objective=build_objective(ObjectiveConfig(reward=0.0, goal_distance=1.0), LinearModel()))
    mpc.start(2)
    state = np.array([[0.2, 0.0], [-0.2, 0.0]], np.float32)
    for row in range(2):
        mpc.reset(row, LinearTask(), row)
    assert mpc.observation_keys == ("state", "goal.state")
    seen = {"state": state, "goal.state": state.copy()}
    act = mpc.act(Moment(np.arange(2), seen, np.zeros((2, 1), np.float32), np.ones(2, bool)))
    assert np.abs(act).max() < 0.25  # both are where their own goal is, and the other's is far
    assert mpc.rollout.goals.tolist() == [pytest.approx([0.2, 0.0]), pytest.approx([-0.2, 0.0])]


def test_executing_more_than_was_planned_is_refused():
    with pytest.raises(UserError, match=r"mpc.execute=9 exceeds planner.horizon=8"):
        build(execute=9)


def test_executing_nothing_is_refused():
    with pytest.raises(UserError, match=r"mpc.execute=0"):
        read_config(MPCConfig, {"execute": 0}, "mpc")


class TwoWays(LinearModel):
    """Pays for acting, left or right, and for standing still it takes a lot."""

    def imagine(self, state, actions):
        imagined = super().imagine(state, actions)
        first = actions[..., :1, 0].abs()
        return imagined._replace(reward=torch.where(first > 0.3, -first, -9.0).expand(imagined.reward.shape))


def test_the_imagined_rewards_are_those_of_the_elite_that_stands_in_for_a_mean_between_two_ways():
    mpc = build(model=TwoWays(), candidates=128, iterations=1, elites=32, keep_elites=0)
    play(mpc, list(range(8)), 1)
    for (decision,) in mpc.decisions:
        assert abs(decision.actions[0, 0]) > 0.3
        np.testing.assert_allclose(decision.rewards, -abs(decision.actions[0, 0]), atol=1e-6)
        assert decision.rewards.mean() == pytest.approx(decision.score, abs=1e-6)


class Blank(LinearModel):
    """Tells rewards only where it is asked for all."""

    def foresee(self, state, actions, told, steps=None):
        seen = self.imagine(state, actions)
        return seen if "reward" in told else seen._replace(reward=torch.zeros_like(seen.reward))


class Rest:
    """A term of features alone."""

    told = frozenset()

    def __call__(self, imagination, actions):
        return -imagination.features.square().sum(-1)


def test_the_rewards_of_a_plan_are_told_where_the_search_asked_for_none():
    found = []
    for model in (LinearModel(), Blank()):
        mpc = build(model=model, objective=Objective([(1.0, Rest())]))
        play(mpc, [0, 1], 3)
        found.append(mpc.decisions)
    for asked, blank in zip(*found, strict=True):
        for one, other in zip(asked, blank, strict=True):
            np.testing.assert_array_equal(one.actions, other.actions)
            np.testing.assert_allclose(one.rewards, other.rewards, atol=1e-6)
            assert one.rewards.all()
