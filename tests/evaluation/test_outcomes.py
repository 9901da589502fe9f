"""Outcomes keep their manifest, and arms of different manifests never meet."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.outcomes import ARRAYS, Outcomes, require_pairable, stack


def test_outcomes_survive_their_file(tmp_path):
    arm = outcomes(solved(3, 5), predicted=[1.5, np.nan, 0.1, -2, 0], seed=7)
    arm.save(tmp_path / "mpc.json")
    loaded = Outcomes.load(tmp_path / "mpc.json")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(arm, name))
    assert (loaded.arm, loaded.seed, loaded.manifest) == ("mpc", 7, arm.manifest)
    assert loaded.success.dtype == bool


def test_arms_of_different_manifests_cannot_be_paired():
    mpc = outcomes(solved(3, 5))
    bc = outcomes(solved(3, 5), "bc", freeze(task_spec(physics="toy 2.0"), 5))
    with pytest.raises(UserError, match=r"'mpc' and 'bc': .*card.physics is 'toy 1.0' against 'toy 2.0'"):
        require_pairable(mpc, bc)


def test_a_half_played_manifest_is_refused():
    with pytest.raises(UserError, match="4 values of success for the 5 episodes"):
        outcomes(solved(3, 4), manifest=freeze(task_spec(), 5))


def test_success_and_its_step_must_agree():
    with pytest.raises(UserError, match="exactly where success is true"):
        outcomes(solved(3, 5), steps_to_success=np.full(5, 9.0))


def test_a_file_that_lacks_a_column_is_named(tmp_path):
    path = tmp_path / "mpc.json"
    outcomes(solved(3, 5)).save(path)
    path.write_text(path.read_text().replace('"decision_ms"', '"decision_s"'))
    with pytest.raises(UserError, match=r"mpc\.json lacks decision_ms"):
        Outcomes.load(path)


def test_training_seeds_stack_to_seeds_by_episodes():
    assert stack([outcomes(solved(3, 5)), outcomes(solved(4, 5), seed=1)], "success").sum(1).tolist() == [3, 4]
