"""Whether a model ranks candidates as the truth does: known for the truth itself, and for a model that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.exercises.point_world import PointExperiment, settings
from wm_lab.errors import UserError
from wm_lab.exercises.planning import PlanningConfig
from wm_lab.exercises.planning.ranking import mean_rho, ranking
from wm_lab.experiment.arms import SIMULATOR, PlanningArm
from wm_lab.experiment.planning_policy import TRUE_COST
from wm_lab.settings import read_config

ITERATIONS = 3


def rho(store, speed: float | None, decisions: int = 6):
    """[decisions, iterations] of a model that believes in this speed, or of the simulator."""
    model = {"_target_": "tests.exercises.point_world.PointWorld", "speed": 0.1 if speed is None else speed}
    with PointExperiment(settings(store, model=model)) as experiment:
        if speed is None:
            arm = PlanningArm("mpc", experiment.settings.with_objective(TRUE_COST), SIMULATOR)
        else:
            arm = PlanningArm("mpc", experiment.settings, experiment.models.world_model())
        numbers, table = ranking(experiment, arm, experiment.data.manifest(3), decisions)
    assert table.columns == ("arm", "iteration 1", "iteration 2", "iteration 3", "decisions", "n")
    assert table.rows[0][0] == "mpc" and table.rows[0][-2] == str(decisions)
    assert len(numbers["by_iteration"]) == ITERATIONS
    return np.array(numbers["rho"])


@pytest.mark.parametrize("speed", [None, 0.1])
def test_the_truth_ranks_as_the_truth_does(tmp_path, speed):
    found = rho(tmp_path, speed)
    assert found.shape == (6, ITERATIONS)
    np.testing.assert_allclose(found, 1.0, atol=1e-3)


def test_a_model_that_believes_the_opposite_ranks_far_goals_the_other_way_round(tmp_path):
    assert (rho(tmp_path, -0.1, decisions=1)[:, 0] < -0.9).all()


def test_a_model_that_is_a_little_wrong_ranks_worse_where_plans_are_good(tmp_path):
    found = rho(tmp_path, 0.25, decisions=8)
    assert 0 < found[:, 0].mean() < 0.999 and found[:, -1].mean() < found[:, 0].mean()


def test_what_is_executed_between_decisions_is_not_ranked(tmp_path):
    wanted = settings(tmp_path)
    with PointExperiment(replace(wanted, mpc={"execute": 2})) as experiment:
        arm = PlanningArm("mpc", experiment.settings, experiment.models.world_model())
        numbers, _ = ranking(experiment, arm, experiment.data.manifest(2), 5)
    assert np.array(numbers["rho"]).shape == (5, ITERATIONS)


def test_a_negative_number_of_decisions_is_refused():
    with pytest.raises(UserError, match=r"exercise.ranking=-1 must be a whole number from 0"):
        read_config(PlanningConfig, {"ranking": -1}, "exercise")


def test_rho_is_over_episodes_and_not_over_their_decisions():
    """Five episodes of four decisions that agree among themselves say as much as five decisions."""
    each = np.array([0.9, 0.5, 0.7, 0.2, 0.6])
    found = mean_rho(each.repeat(4), np.arange(5).repeat(4))
    assert found == pytest.approx(mean_rho(each, np.arange(5))) and found.n == 5
    assert mean_rho(np.array([1.0, np.nan, 0.99, 0.4]), np.array([0, 0, 1, 2])).high <= 1
