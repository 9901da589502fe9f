"""Robustness plays every arm again with a nudge, of every group of action dimensions that the task names."""

from __future__ import annotations

import pytest

from tests.data.toy import PointTask
from tests.exercises.test_policy_selection import experiment_of
from wm_lab.exercises.planning import PlanningConfig, PlanningExercise
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.varied import vary


def test_the_clone_the_planner_and_the_expert_play_again_with_a_nudge(tmp_path):
    config = PlanningConfig(4, oracle_episodes=0, attribution=False, greedy=False, advised=False, robustness=True)
    with experiment_of(tmp_path) as experiment:
        answer = PlanningExercise(config).run(experiment)
    nudged = {d["a"] for d in answer.numbers["robustness"]}
    assert (
        nudged >= {f"{arm}_nudged_action" for arm in ("expert", "bc", "mpc")} and "random_nudged_action" not in nudged
    )
    assert [table.title for table in answer.tables[-2:]] == ["After a nudge", "After a nudge, against the clone"]
    assert "nudged" in answer.figures
    told = [verdict for verdict in answer.verdicts if "after 2 disturbed steps of action" in verdict]
    assert any("cloning solves" in verdict for verdict in told) and not any("expert" in verdict for verdict in told)
    alone, hit = answer.outcomes["expert"][0], answer.outcomes["expert_nudged_action"][0]
    assert (alone.episode_return != hit.episode_return).all(), "the nudge comes before the way is gone"
    assert answer.numbers["rows"] == [row for row in answer.numbers["rows"] if "nudged" not in row["arm"]]


def test_what_is_known_against_a_cost_is_said_before_the_work_and_in_the_answer(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(PointTask, "cost_caution", "toy/point: the cost may mislead.")
    config = PlanningConfig(2, oracle_episodes=0, attribution=False, greedy=False, advised=False, local=False)
    with experiment_of(tmp_path) as experiment:
        answer = PlanningExercise(config).run(experiment)
    assert answer.verdicts.count("toy/point: the cost may mislead.") == 1
    assert "toy/point: the cost may mislead." in caplog.messages


@pytest.mark.parametrize("variation", ["none", "physics"])
def test_a_hand_tells_position_orientation_and_fingers_apart(variation):
    groups = vary(HandTask(HandConfig()), variation).action_groups
    assert groups == {"position": (0, 1, 2), "orientation": (3, 4, 5), "fingers": (6,)}
