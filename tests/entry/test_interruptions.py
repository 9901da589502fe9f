"""Runs that are stopped, killed, or meet another one: what is finished stays, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.entry.command import SMALL, artifacts, runs, start, wm_lab
from wm_lab.training.trainer import Session

TRAINING = (*SMALL, "trainer.steps=40", "trainer.validate=10", "trainer.save_seconds=0")
KILL_AT = 25

KILLED_IN_TRAINING = f"""
import os, signal
from wm_lab.main import cli
from wm_lab.training.trainer import Session
advance = Session._advance
def die(self, windows):
    if self.step == {KILL_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(self, windows)
Session._advance = die
cli()
"""


@pytest.mark.parametrize(
    ("sent", "code", "state"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "failed")]
)
def test_a_signal_ends_the_run_quietly_and_the_same_command_goes_on(tmp_path, sent, code, state):
    advance = Session._advance
    steps = []

    def interrupted(self, windows):
        if self.step == 3 and not steps:
            os.kill(os.getpid(), sent)
        return advance(self, windows)

    def counted(self, windows):
        steps.append(self.step)
        return advance(self, windows)

    with mock.patch.object(Session, "_advance", interrupted):
        ended = wm_lab(tmp_path, *SMALL, "trainer.save_seconds=0")
    assert ended.code == code and "Traceback" not in ended.err
    assert json.loads((runs(tmp_path)[0] / "status.json").read_text())["state"] == state
    assert artifacts(tmp_path, "model") == []
    with mock.patch.object(Session, "_advance", counted):
        assert wm_lab(tmp_path, *SMALL, "trainer.save_seconds=0").code == 0
    assert steps[0] == 3, "training went on from its last checkpoint"


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    process = start(killed, *TRAINING, script=KILLED_IN_TRAINING)
    assert wm_lab(whole, *TRAINING).code == 0
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL and artifacts(killed, "model") == []

    assert wm_lab(killed, *TRAINING).code == 0
    rows = [json.loads(line) for line in (runs(killed)[-1] / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [28, 32, 36, 40], "validated every fourth step, from where it was killed"
    assert artifacts(killed, "model") == artifacts(whole, "model"), "one recipe, one name"
    mine, theirs = planned(killed), planned(whole)
    assert mine["episode_return"] == theirs["episode_return"] and mine["imagined"] == theirs["imagined"]


def test_two_processes_on_one_store_build_everything_once(tmp_path):
    first, second = start(tmp_path, *SMALL, "hydra.run.dir=a"), start(tmp_path, *SMALL, "hydra.run.dir=b")
    told = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), told
    assert sum(err.count("train latent_mlp: done") for err in told) == 1
    assert len(artifacts(tmp_path, "dataset")) == len(artifacts(tmp_path, "model")) == 1
    a, b = (json.loads((tmp_path / run / "result.json").read_text()) for run in "ab")
    assert a["numbers"] == b["numbers"]


def planned(folder: Path) -> dict[str, Any]:
    """The outcomes of planning in the learned model."""
    found = [json.loads(file.read_text()) for file in folder.glob("outputs/store/outcomes/*/outcomes.json")]
    (outcomes,) = [values for values in found if values["arm"] == "mpc"]
    return outcomes
