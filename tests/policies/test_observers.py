"""Whoever observes a planner is shown what it decided and why, and changes nothing."""

from __future__ import annotations

import numpy as np

from tests.policies.linear_world import LinearModel, play
from wm_lab.objectives import Objective, predicted_reward
from wm_lab.planners import CEM, CEMConfig
from wm_lab.policies import MPC, MPCConfig

HORIZON, CANDIDATES, ITERATIONS = 6, 16, 2


def build(execute: int) -> MPC:
    planner = CEM(CEMConfig(horizon=HORIZON, candidates=CANDIDATES, iterations=ITERATIONS, elites=4), 1)
    return MPC(MPCConfig(execute), LinearModel(), planner, Objective([(1.0, predicted_reward)]))


def test_an_observer_is_shown_every_decision_with_what_its_own_episode_saw_and_was_asked():
    seen, mpc = [], build(execute=2)
    mpc.observers.append(seen.append)
    play(mpc, [0, 1], 4, delays=[0, 1])
    for row in range(2):
        own = [shown for shown in seen if shown.row == row]
        assert [shown.decision for shown in own] == mpc.decisions[row]
        for shown in own:
            sizes = [tuple(actions.shape) for actions, _ in shown.search]
            assert sizes == [(CANDIDATES, HORIZON, 1)] * ITERATIONS + [(1, HORIZON, 1)]
            assert [len(scores) for _, scores in shown.search] == [CANDIDATES] * ITERATIONS + [1]
            last_actions, last_score = shown.search[-1]
            if (last_actions[0].numpy() == shown.decision.actions).all():
                assert float(last_score[0]) == shown.decision.score
            assert shown.observation["state"].shape == (2,)
    starts = [next(shown.observation["state"] for shown in seen if shown.row == row) for row in range(2)]
    assert not np.array_equal(*starts), "each sees its own episode"


def test_a_watched_episode_is_played_as_an_unwatched_one():
    watched, alone = build(execute=1), build(execute=1)
    watched.observers.append(lambda shown: None)
    np.testing.assert_array_equal(play(watched, [3, 4], 5)[0], play(alone, [3, 4], 5)[0])
