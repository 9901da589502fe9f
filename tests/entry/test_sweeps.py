"""Sweeps by other roads: a configuration that is one, and runs side by side."""

from __future__ import annotations

import json

import pytest

from tests.entry.command import QUIET, SMALL, runs, wm_lab

pytestmark = pytest.mark.slow


def finished(folder) -> list[dict]:
    return [json.loads((run / "result.json").read_text()) for run in runs(folder)]


def test_the_course_asks_every_question_and_ends_in_one_comparison(furnished):
    few = ("task=hand/reach", "model=latent_mlp", "exercise=imagination,latent")
    course = wm_lab(furnished, "--config-name", "course", *QUIET, *few)
    assert course.code == 0, course.err
    assert [result["labels"]["exercise"] for result in finished(furnished)] == ["imagination", "latent"]
    (sweep,) = (furnished / "outputs" / "multiruns").iterdir()
    assert "Comparison" in course.out and f"results: {sweep / 'report.html'}" in course.out
    assert "latent_mlp" in (sweep / "report.md").read_text()
    # What is typed replaces what the course sweeps over.
    asked = json.loads((sweep / "jobs.json").read_text())["jobs"]
    assert [set(few[:2]) <= set(job) for job in asked] == [True, True]


def test_runs_side_by_side_are_the_same_runs(furnished):
    sweep = wm_lab(furnished, "-m", *SMALL, "hydra/launcher=joblib", "workers=1", "planner=cem,random_shooting")
    assert sweep.code == 0, sweep.err
    cem, shooting = finished(furnished)
    assert (cem["labels"]["planner"], shooting["labels"]["planner"]) == ("cem", "random_shooting")
    assert "Comparison" in sweep.out and "random_shooting" in sweep.out


def test_the_log_of_a_sweep_names_the_job_in_every_line_and_tables_come_once(furnished):
    sweep = wm_lab(furnished, "-m", *SMALL, "planner=cem,random_shooting")
    assert sweep.code == 0, sweep.err
    ended = [line for line in sweep.out.splitlines() if line.startswith("#")]
    assert [line.split()[0] for line in ended] == ["#0", "#1"]
    assert [line.split()[-1] for line in ended] == [str(run) for run in runs(furnished)]
    assert "What was run" not in sweep.out and "Paired differences" not in sweep.out
    working = [line for line in sweep.err.splitlines() if ": done: " in line]
    assert working and all(line.startswith(("#0 planning hand/", "#1 planning hand/")) for line in working)
