"""Runs that are stopped, killed, or meet another one: what is finished stays, and the same command goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest

from tests.entry.command import SMALL, artifacts, runs, start, wm_lab
from tests.entry.kills import WORKERS_STAY
from wm_lab.training.trainer import Session

pytestmark = pytest.mark.slow

SAVING = (*SMALL, "trainer.save_seconds=0")  # its model has the small run's name, and another training

KILL_AT = 12
KILLED_IN_TRAINING = f"""
import os, pathlib, signal, time
from wm_lab.main import cli
from wm_lab.training.trainer import Session

advance = Session._advance

def die(self, windows):
    if self.step == {KILL_AT}:
        pathlib.Path("training").touch()
        deadline = time.monotonic() + 100
        while not pathlib.Path("waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    return advance(self, windows)

Session._advance = die
cli()
"""


def test_signals_end_a_run_quietly_and_the_same_command_goes_on(furnished):
    command = (*SAVING, "trainer.clip=90")
    advance = Session._advance
    steps = []

    def stop(sent, at):
        def step(self, windows):
            if self.step == at:
                os.kill(os.getpid(), sent)
            return advance(self, windows)

        with mock.patch.object(Session, "_advance", step):
            ended = wm_lab(furnished, *command)
        status = json.loads((runs(furnished)[-1] / "status.json").read_text())
        assert "Traceback" not in ended.err and "Error executing" not in ended.err
        return ended.code, status["state"]

    def count(self, windows):
        steps.append(self.step)
        return advance(self, windows)

    before = artifacts(furnished, "model")
    assert stop(signal.SIGINT, at=3) == (130, "interrupted")
    assert stop(signal.SIGTERM, at=7) == (143, "failed")
    assert artifacts(furnished, "model") == before
    with mock.patch.object(Session, "_advance", count):
        assert wm_lab(furnished, *command).code == 0
    assert steps == list(range(7, 20)), "training went on from its last checkpoint"
    assert len(artifacts(furnished, "model")) == len(before) + 1


def test_who_waits_for_a_process_that_is_killed_goes_on_to_the_same_model(furnished, tmp_path_factory):
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(furnished / "outputs", undisturbed / "outputs")
    command = (*SAVING, "trainer.clip=80")
    killed = start(furnished, *command, script=KILLED_IN_TRAINING)
    whole = wm_lab(undisturbed, *command)
    deadline = time.monotonic() + 100
    while not (furnished / "training").exists():
        assert killed.poll() is None and time.monotonic() < deadline, killed.communicate()
        time.sleep(0.05)

    def waiting(*words):
        (furnished / "waiting").touch()

    with mock.patch("wm_lab.store.log.warning", side_effect=waiting) as warned:
        ended = wm_lab(furnished, *command)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert warned.call_count == 1 and "which is being built by" in warned.call_args.args[0]
    assert whole.code == ended.code == 0, ended.err
    assert artifacts(furnished, "model") == artifacts(undisturbed, "model")
    rows = [json.loads(line) for line in (runs(furnished)[-1] / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20], "the validation of step 10 was the other's"
    mine, theirs = planned(furnished), planned(undisturbed)
    assert mine == theirs, "the same returns, imagined and real"


def planned(folder: Path) -> list[float]:
    """Returns of the newest planning in a learned model, and what it imagined."""
    files = sorted(folder.glob("outputs/store/outcomes/mpc-*/outcomes.json"), key=lambda file: file.stat().st_mtime)
    outcomes = json.loads(files[-1].read_text())
    assert outcomes["arm"] == "mpc"
    return outcomes["episode_return"] + outcomes["imagined"]


def test_workers_of_a_killed_sweep_leave_and_close_their_runs(furnished):
    long = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "workers=1", "trainer.steps=100000", "seed=0,1")
    sweep = start(furnished, "-m", *SMALL, *long)

    def wait_for(state):
        deadline = time.monotonic() + 300
        while (found := states()) != [state] * 2:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def states():
        return [json.loads(run.read_text())["state"] for run in furnished.glob("outputs/multiruns/*/*/status.json")]

    wait_for("running")
    theirs = {pid: words(pid) for pid in descendants(sweep.pid)}
    sweep.kill()
    sweep.wait()
    began = time.monotonic()
    while left := [theirs[pid] for pid in theirs.keys() & processes().keys() if "resource_tracker" not in theirs[pid]]:
        assert time.monotonic() < began + WORKERS_STAY, left
        time.sleep(0.02)
    wait_for("failed")
    sweep.communicate()


def descendants(pid: int) -> list[int]:
    """Processes that it started, and those that they did, where the system has /proc."""
    found, parents = [pid], processes()
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def words(pid: int) -> str:
    """What a process was started by; of Python's own trackers, which only clean up, it names the module."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def processes() -> dict[int, int]:
    """{process that lives: its parent}"""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found
