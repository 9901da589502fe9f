"""A sweep that was stopped, however hard, goes on: finished cells stay, and the tables are those of a quiet run."""

from __future__ import annotations

import csv
import errno
import json
import signal
from pathlib import Path
from unittest import mock

import pytest
from filelock import FileLock

from tests.entry.command import SMALL, start, wm_lab
from tests.reports.test_sweep_report import write_run
from wm_lab.command_line.mistakes import explain
from wm_lab.errors import UserError
from wm_lab.launchers.resume import finished_before, resumed
from wm_lab.launchers.sweep import Sweep
from wm_lab.tracking import Mode, TrackingConfig

SWEEP = ("-m", *SMALL, "planner=cem,mppi")

MEASURED = {"ms_per_decision", "train_s", "frames_per_s"}
"""Columns that depend on the machine's mood."""

KILLED = """
import os, signal
from unittest import mock
from wm_lab import main

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

with mock.patch("{where}", die):
    main.cli()
"""


def sweeps(folder: Path) -> list[Path]:
    return sorted((folder / "outputs" / "multiruns").iterdir())


def tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Every table of the only sweep below `folder`, without what was measured by a clock."""
    (sweep,) = sweeps(folder)
    found = {}
    for file in sorted((sweep / "tables").glob("*.csv")):
        rows = list(csv.DictReader(file.open(encoding="utf-8")))
        found[file.name] = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
    return found


@pytest.mark.slow
def test_a_sweep_killed_again_and_again_ends_in_the_tables_of_one_that_was_not(furnished, tmp_path_factory):
    quiet = tmp_path_factory.mktemp("quiet")
    (quiet / "outputs").symlink_to(furnished / "outputs")  # both find the small run's model; its sweeps are moved away
    first = wm_lab(quiet, *SWEEP)
    assert first.code == 0, first.err
    expected = tables(quiet)
    assert len(expected["comparison.csv"]) == 2
    (furnished / "outputs" / "multiruns").rename(furnished / "quiet")
    for played in furnished.glob("outputs/store/outcomes/mpc-*"):
        for file in played.iterdir():
            file.unlink()
        played.rmdir()

    for where in (
        "wm_lab.exercises.planning.answer.success_rows",  # everything is played, nothing is said
        "wm_lab.tracking.run_folder.RunFolder.end",  # the answer is there, and does not say that it is all
        "wm_lab.launchers.sweep.write_report",  # all cells are finished, the report is not
    ):
        killed = start(furnished, *SWEEP, script=KILLED.format(where=where))
        killed.communicate(timeout=300)
        assert killed.returncode == -signal.SIGKILL, where
    last = wm_lab(furnished, *SWEEP)
    assert last.code == 0 and last.err.count("finished before") == 2, last.err
    assert tables(furnished) == expected


def test_a_cell_is_finished_however_many_workers_ran_it(tmp_path):
    config = "seed: 0\nworkers: {workers}\ndata:\n  workers: {workers}\n  rounds: {rounds}\n"
    cell = tmp_path / "0"
    write_run(cell, "cem")
    (cell / "config.yaml").write_text(config.format(workers=1, rounds=0))
    assert finished_before(cell, lambda: config.format(workers=2, rounds=0)) is not None
    assert finished_before(cell, lambda: config.format(workers=1, rounds=1)) is None


def test_a_disk_that_is_full_when_the_report_is_due_costs_the_page_and_not_the_answer(tmp_path, capsys):
    for job, planner in enumerate(("cem", "mppi")):
        write_run(tmp_path / str(job), planner)
    lock = FileLock(tmp_path / ".lock")
    lock.acquire()
    full = OSError(errno.ENOSPC, "No space left on device", "report.html")
    with mock.patch("wm_lab.launchers.sweep.write_report", side_effect=full):
        Sweep(tmp_path, lock, TrackingConfig(mode=Mode.disabled), outputs=tmp_path, made=True).close()
    told = capsys.readouterr()
    assert "No space left on device" in told.err and "wm-lab-report" in told.err
    assert "Comparison" in told.out
    assert not lock.is_locked


def test_a_full_disk_is_told_in_a_sentence_whoever_meets_it():
    assert (explain(OSError(errno.ENOSPC, "No space left on device")) or "").startswith("outputs: No space left")


@pytest.fixture
def interrupted(furnished) -> Path:
    """A sweep of two cells, of which the second failed."""
    assert wm_lab(furnished, *SWEEP).code == 0
    (sweep,) = sweeps(furnished)
    (sweep / "1" / "result.json").unlink()
    status = json.loads((sweep / "1" / "status.json").read_text())
    (sweep / "1" / "status.json").write_text(json.dumps({**status, "state": "failed", "reason": "no luck"}))
    return furnished


@pytest.mark.slow
def test_sweep_resume_runs_what_failed_from_anywhere_and_without_the_command(interrupted):
    (sweep,) = sweeps(interrupted)
    before = (sweep / "0" / "result.json").stat().st_mtime_ns
    again = wm_lab(interrupted, f"sweep.resume={sweep}")
    assert again.code == 0 and again.err.count("finished before") == 1, again.err
    assert sweeps(interrupted) == [sweep]
    assert (sweep / "0" / "result.json").stat().st_mtime_ns == before
    assert json.loads((sweep / "1" / "status.json").read_text())["state"] == "finished"
    assert "Without a result" not in (sweep / "report.md").read_text()
    assert "sweep.resume" not in (sweep / "report.md").read_text()


@pytest.mark.slow
def test_a_folder_is_one_sweep_and_one_process_s(interrupted):
    (sweep,) = sweeps(interrupted)
    other = wm_lab(interrupted, "-m", *SMALL, "planner=cem,random_shooting,mppi", f"sweep.resume={sweep}")
    assert other.code == 2 and "holds another sweep, of 2 jobs where 3 are asked for" in other.complaint
    with FileLock(sweep / ".lock"):
        assert "is still running" in wm_lab(interrupted, f"sweep.resume={sweep}").complaint
    assert "there is no sweep at" in wm_lab(interrupted, "sweep.resume=nowhere").complaint


def begun(folder: Path, *words: str) -> Path:
    """A sweep's folder that says it was begun by this command."""
    folder.mkdir()
    (folder / "jobs.json").write_text(json.dumps({"jobs": [["seed=0"]], "code": "", "command": list(words)}))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["--config-dir", "elsewhere"],
        ["--config-dir=elsewhere"],
        ["-cd", "elsewhere", "-m"],
        ["--config-name", "../../evil"],
        ["model._target_=evil.Model"],
        ["+model={_target_: evil.Model}"],
        ["exercise=../../evil"],
        ["task=/evil/task"],
        ["hydra.launcher.setup=[evil]"],
        ["+hydra.callbacks.x._target_=evil.Callback"],
        ["hydra.searchpath=[file:///evil]"],
        ["task.success=evil:solved"],
        ["task.id=evil:Env-v0"],
    ],
)
def test_a_folder_that_says_whose_code_to_run_is_asked_for_in_a_sentence_and_runs_none(tmp_path, words):
    folder = begun(tmp_path / "sweep", "-m", "seed=0,1", *words)
    with pytest.raises(UserError, match=r"can run code.*type it again"):
        resumed([f"sweep.resume={folder}"])


def test_what_is_safe_of_a_sweeps_command_goes_on_with_the_code_that_is_typed_again(tmp_path):
    safe = ["-m", "--config-name", "course", "seed=0,1", "hydra/launcher=joblib", "data.path=/some/data"]
    there = [f"hydra.sweep.dir='{tmp_path / 'sweep'}'"]
    folder = begun(tmp_path / "sweep", *safe, "--config-dir", "mine")
    asked = [f"sweep.resume={folder}", "--config-dir", "mine"]
    assert resumed(asked) == ["--config-dir", "mine", *safe, *there]
    assert resumed([f"sweep.resume={folder}", "-m", "seed=3"]) == ["-m", "seed=3", *there]


@pytest.mark.parametrize(
    "text", ["[]", '{"jobs": 3, "command": []}', '{"jobs": [], "command": "rm"}', "[" * 9999, "\0"]
)
def test_a_folder_that_is_no_sweeps_is_named_and_left_as_it_is(tmp_path, text):
    (tmp_path / "jobs.json").write_text(text)
    ended = wm_lab(tmp_path, f"sweep.resume={tmp_path}")
    assert ended.code == 2 and "there is no sweep" in ended.err
    assert [file.name for file in tmp_path.iterdir()] == ["jobs.json"] and (tmp_path / "jobs.json").read_text() == text


def test_a_folder_that_was_there_before_a_sweep_is_left_when_nothing_began(tmp_path):
    folder = begun(tmp_path / "theirs", "-m", "seed=0,1", "no.such.option=1")
    assert wm_lab(tmp_path, f"sweep.resume={folder}").code == 2
    assert (folder / "jobs.json").is_file()
