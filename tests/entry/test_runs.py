"""What a run leaves behind, and what the next one finds."""

from __future__ import annotations

import json
import re
from unittest import mock

import pytest

from tests.entry.command import SMALL, artifacts, runs, wm_lab
from wm_lab.errors import UserError

WORK = re.compile(r"^(collect|train|play) ", re.MULTILINE)


def test_one_command_collects_trains_plans_and_answers(lab):
    assert lab.ended.code == 0, lab.ended.err
    (run,) = runs(lab.folder)
    result = json.loads((run / "result.json").read_text())
    assert result["task"] == "hand/reach" and result["labels"]["planner"] == "cem"
    assert result["verdict"] in lab.ended.out and f"results: {run}" in lab.ended.out
    assert json.loads((run / "status.json").read_text())["state"] == "finished"
    assert "scale=smoke" in (run / "overrides.txt").read_text().split()
    for name in ("config.yaml", "environment.json", "metrics.jsonl", "report.html", "log.txt", "plots/success.svg"):
        assert (run / name).stat().st_size > 0, name


def test_a_run_names_what_it_used_and_where_it_lies(lab):
    (run, *_) = runs(lab.folder)
    result = json.loads((run / "result.json").read_text())
    store = run / result["store"]
    places = {used["what"]: used["place"] for used in result["used"]}
    assert {"world model", "collection", "outcomes of mpc", "outcomes of expert"} <= places.keys()
    assert all((store / place / "recipe.json").is_file() for place in places.values())
    page = (run / "report.html").read_text()
    assert all(place in page for place in places.values())
    assert f"world model: {store.resolve() / places['world model']}" in lab.ended.out
    assert not list(store.glob("*/.lock-*")), "locks do not pile up"


@pytest.mark.slow
def test_without_a_word_the_default_question_is_asked(tmp_path):
    with mock.patch("wm_lab.main.run", side_effect=UserError("far enough")) as run:
        ended = wm_lab(tmp_path)
    (asked,) = run.call_args.args
    assert ended.complaint == "wm-lab: far enough"
    assert (asked.task.goal, asked.model._target_, asked.exercise.episodes) == ("reach", "wm_lab.models.rssm.RSSM", 100)


def test_the_same_command_again_finds_everything_and_says_the_same(lab):
    assert WORK.search(lab.ended.err)
    again = wm_lab(lab.folder, *SMALL)
    assert again.code == 0 and not WORK.search(again.err), again.err
    first, *_, last = (json.loads((run / "result.json").read_text()) for run in runs(lab.folder))
    assert first["numbers"] == last["numbers"] and last["seconds"] == {}


@pytest.mark.slow
def test_a_sweep_over_planners_trains_the_model_once(lab):
    sweep = wm_lab(lab.folder, "-m", *SMALL, "planner=cem,mppi,random_shooting")
    assert sweep.code == 0, sweep.err
    finished = [run for run in runs(lab.folder) if run.parent.parent.name == "multiruns"]
    assert [json.loads((run / "result.json").read_text())["labels"]["planner"] for run in finished] == [
        "cem",
        "mppi",
        "random_shooting",
    ]
    assert len(artifacts(lab.folder, "model")) == 1 and len(artifacts(lab.folder, "dataset")) == 1
    assert "train" not in sweep.err and "collect" not in sweep.err
    assert sum(name.startswith("mpc") for name in artifacts(lab.folder, "outcomes")) == 6, (
        "three planners in the model, three in the simulator"
    )


def test_a_run_can_do_without_the_true_simulator(lab):
    answer = wm_lab(lab.folder, *SMALL, "exercise.oracle_episodes=0")
    assert answer.code == 0, answer.err
    newest = sorted(lab.folder.glob("outputs/runs/*"))[-1]
    numbers = json.loads((newest / "result.json").read_text())["numbers"]
    assert [row["arm"] for row in numbers["rows"]] == ["expert", "random", "noop", "mpc"]


def test_hints_for_planners_change_no_artifact_of_the_task(lab):
    before = artifacts(lab.folder, "dataset"), artifacts(lab.folder, "model")
    more = wm_lab(lab.folder, *SMALL, "task.planning.horizon=6", "exercise.oracle_episodes=2")
    assert more.code == 0, more.err
    assert (artifacts(lab.folder, "dataset"), artifacts(lab.folder, "model")) == before


@pytest.mark.slow
def test_a_failing_job_of_a_sweep_is_told_with_its_overrides_and_stops_no_other(lab):
    # Refused jobs on both sides of a good one, which finds its work done.
    sweep = wm_lab(lab.folder, "-m", *SMALL, "planner.elites=64,4,65")
    assert sweep.code == 2
    told = [line for line in sweep.err.splitlines() if line.startswith("wm-lab: ")]
    assert len(told) == 3 and "planner.elites=64" in told[0] and "planner.elites=65" in told[1]
    assert all("exceeds planner.candidates=32" in line for line in told[:2])
    assert "Traceback" not in sweep.err
    newest = sorted(lab.folder.glob("outputs/multiruns/*"))[-1]
    assert [(newest / job / "result.json").exists() for job in ("0", "1", "2")] == [False, True, False]
