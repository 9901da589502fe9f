"""What a search maximises."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.command_line.folders import CONF
from wm_lab.config import composed
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.exercises.exercise import Exercise
from wm_lab.reports.metric import check_metric, metrics_of, require_test
from wm_lab.settings import plain_values, target


def test_a_task_that_only_pays_has_no_success_to_maximise():
    pays = task_spec("toy/hop", success_test="")
    arms = {"mpc": outcomes(np.zeros(10, bool), manifest=freeze(pays, 10))}
    assert metrics_of("success", {}, arms) == {}
    assert metrics_of("success", {}, {"mpc": outcomes(solved(7, 10))}) == {"success": 0.7}
    with pytest.raises(UserError, match=r"optimized_metric=success .* toy/hop only pays; say when it is solved"):
        require_test("success", pays)
    require_test("success", task_spec())
    require_test(None, pays)


def test_planning_in_brief_is_judged_as_planning_is():
    section = plain_values(composed(CONF, ["exercise=planning_brief"]).exercise)
    check_metric("success", target(Exercise, section, "exercise").metric, "planning_brief")
