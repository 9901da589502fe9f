"""Searches: every trial is a run, and what is optimised is a number that runs tell."""

from __future__ import annotations

import json

import pytest

from tests.entry.command import SMALL, runs, wm_lab
from tests.extras import need

need("hydra_plugins.hydra_optuna_sweeper", "optuna")


@pytest.mark.slow
def test_optuna_tries_three_budgets_and_names_the_best(furnished):
    search = wm_lab(furnished, *SMALL, "hparams_search=optuna", "hydra.sweeper.n_trials=3")
    assert search.code == 0, search.err
    results = [json.loads((run / "result.json").read_text()) for run in runs(furnished)]
    assert len(results) == 3
    mpc = [next(row for row in result["numbers"]["rows"] if row["arm"] == "mpc") for result in results]
    assert [result["success"] for result in results] == [row["success"]["value"] for row in mpc]
    assert all("hparams_search" not in (run / "overrides.txt").read_text() for run in runs(furnished)), (
        "a trial is a run"
    )
    (sweep,) = (furnished / "outputs" / "multiruns").iterdir()
    assert (
        f"best_value: {max(result['success'] for result in results)}"
        in (sweep / "optimization_results.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("optimized_metric=H_skill", "optimized_metric=H_skill is told by exercise=imagination, and this is planning"),
        ("optimized_metric=sucess", "unknown optimized_metric 'sucess'; did you mean success?"),
    ],
)
def test_a_metric_that_a_run_does_not_tell_is_refused_before_any_work(tmp_path, typed, said):
    ended = wm_lab(tmp_path, *SMALL, typed)
    assert ended.code == 2 and said in ended.complaint
    assert not (tmp_path / "outputs" / "store").exists()
