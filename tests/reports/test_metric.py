"""What a search maximises."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.reports.metric import metrics_of, require_test


def test_a_task_that_only_pays_has_no_success_to_maximise():
    pays = task_spec("toy/hop", success_test="")
    arms = {"mpc": outcomes(np.zeros(10, bool), manifest=freeze(pays, 10))}
    assert metrics_of("planning", {}, arms) == {}
    assert metrics_of("planning", {}, {"mpc": outcomes(solved(7, 10))}) == {"success": 0.7}
    with pytest.raises(UserError, match=r"optimized_metric=success .* toy/hop only pays; say when it is solved"):
        require_test("success", pays)
    require_test("success", task_spec())
    require_test(None, pays)
