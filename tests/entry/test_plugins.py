"""A model, a planner, a task and an exercise of one's own: one file and one YAML each, and no edit of wm_lab."""

from __future__ import annotations

import json
import sys

import pytest

from tests.entry import user_lab
from tests.entry.command import QUIET, runs, start, wm_lab

TOY = ("model=toy", "planner=toy", "task=toy")


@pytest.mark.slow
def test_everything_of_ones_own_runs_from_a_folder_outside_also_in_workers(tmp_path):
    own = user_lab.write(tmp_path / "mine")
    # Three groups of episodes, so that two worker processes have to find the user's files.
    process = start(
        tmp_path, "--config-dir", str(own), *TOY, *QUIET, "data.episodes=40", "workers=2", "exercise.greedy=false"
    )
    _out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "collect toy: done: 40/40" in err
    result = json.loads((runs(tmp_path)[0] / "result.json").read_text())
    assert result["task"] == "toy" and result["labels"] | {"model": "toy", "planner": "toy"} == result["labels"]
    rows = {row["arm"]: row for row in result["numbers"]["rows"]}
    assert rows["expert"]["success"]["value"] == 1.0 and rows["simulator"]["success"]["value"] == 1.0
    assert {"mpc", "local", "selected", "bc", "simulator_reward"} <= rows.keys()


@pytest.fixture
def forgotten():
    """Modules of a user's folder, unloaded afterwards."""
    yield
    for name in user_lab.PYTHON:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_an_exercise_of_ones_own_is_asked_by_name(tmp_path, forgotten):
    own = user_lab.write(tmp_path / "mine")
    ended = wm_lab(tmp_path, f"--config-dir={own}", "exercise=toy", "exercise.unit=moves", "task=toy", *QUIET)
    assert ended.code == 0, ended.err
    assert "an episode takes 20 moves" in ended.out


def test_names_of_ones_own_are_offered_too(tmp_path, forgotten):
    own = user_lab.write(tmp_path / "mine")
    ended = wm_lab(tmp_path, "--config-dir", str(own), "planner=toi", *QUIET)
    assert ended.code == 2 and "did you mean toy?" in ended.complaint
    ended = wm_lab(tmp_path, "--config-dir", str(own), "planner=toy", "planner.candidats=3", *QUIET)
    assert ended.code == 2 and "did you mean planner.candidates?" in ended.complaint
    ended = wm_lab(tmp_path, "--config-dir", str(own), *TOY, "+planner.courag=3", *QUIET)
    assert ended.code == 2 and "unknown option of planner 'courag'; did you mean courage?" in ended.complaint
