"""The run folder is complete without a server, and readable whatever happened to the run."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.tracking import Mode, Run, RunFolder, TrackingConfig

QUIET = TrackingConfig(mode=Mode.disabled)


def open_run(folder: Path) -> Run:
    return Run(
        folder,
        config={"seed": 3},
        config_text="seed: 3\n",
        overrides=["task=hand/push", "seed=3"],
        tracking=QUIET,
        facts={"device": "cpu", "physics": "mujoco 3.3.0"},
    )


def test_a_finished_run_holds_everything_that_a_stranger_needs(tmp_path: Path) -> None:
    with open_run(tmp_path / "a" / "run") as run:
        status = run.folder.status()
        assert status is not None
        assert (status.state, status.exit_code, status.ended) == ("running", None, None)
        run.log(10, **{"train/loss": torch.tensor(0.5), "eval/success": np.float32(0.25)})
        run.finish({"success": np.float64(0.75), "interval": (0.5, 1.0), "verdict": "cannot tell"})
    folder = tmp_path / "a" / "run"
    assert (folder / "config.yaml").read_text() == "seed: 3\n"
    assert (folder / "overrides.txt").read_text() == "task=hand/push\nseed=3\n"
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert (environment["device"], environment["physics"]) == ("cpu", "mujoco 3.3.0")
    assert environment["cores"] >= 1
    assert json.loads((folder / "result.json").read_text()) == {
        "success": 0.75,
        "interval": [0.5, 1.0],
        "verdict": "cannot tell",
    }
    (row,) = RunFolder(folder).metrics()
    assert (row["step"], row["train/loss"], row["eval/success"]) == (10, 0.5, 0.25)
    status = RunFolder(folder).status()
    assert status is not None
    assert (status.state, status.reason, status.exit_code) == ("finished", "", 0)
    assert status.ended is not None
    assert status.ended >= status.started


@pytest.mark.parametrize(
    ("problem", "state", "reason", "code"),
    [
        (UserError("no data; collect first"), "failed", "UserError: no data; collect first", 1),
        (ValueError("first\nsecond"), "failed", "ValueError: first", 1),
        (ZeroDivisionError(), "failed", "ZeroDivisionError", 1),
        (KeyboardInterrupt(), "interrupted", "Ctrl-C", 130),
        (SystemExit(3), "failed", "exit code 3", 3),
        (SystemExit(0), "finished", "", 0),
    ],
)
def test_the_status_tells_how_a_run_was_left(
    tmp_path: Path, problem: BaseException, state: str, reason: str, code: int
) -> None:
    with pytest.raises(type(problem)), open_run(tmp_path) as run:
        raise problem
    status = run.folder.status()
    assert status is not None
    assert (status.state, status.reason, status.exit_code) == (state, reason, code)
    assert not (tmp_path / "result.json").exists()


def test_a_problem_after_the_answer_does_not_take_the_answer_back(tmp_path: Path) -> None:
    def fail_late() -> None:
        with open_run(tmp_path) as run:
            run.finish({"success": 1.0})
            raise RuntimeError("the plot could not be drawn")

    with pytest.raises(RuntimeError, match="the plot"):
        fail_late()
    status = RunFolder(tmp_path).status()
    assert status is not None
    assert status.state == "finished"


def test_a_process_that_is_gone_without_a_word_counts_as_killed(tmp_path: Path) -> None:
    script = """if True:
        import os, sys
        from wm_lab.tracking import RunFolder
        folder = RunFolder(sys.argv[1])
        folder.describe("", [], {})
        folder.begin()
        os._exit(9)
    """
    subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    status = RunFolder(tmp_path).status()
    assert status is not None
    assert status.state == "killed"


def test_a_row_cut_in_two_by_a_kill_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    folder = RunFolder(tmp_path)
    folder.log(3, {"loss": 0.25})
    assert [(row["step"], row["loss"]) for row in folder.metrics()] == [(1, 0.5), (3, 0.25)]


def test_rows_are_in_the_file_as_soon_as_they_are_logged(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(1, {"loss": 0.5})
    assert len(RunFolder(tmp_path).metrics()) == 1


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log(1, {"loss": math.nan})
    folder.result({"interval": [0.0, math.inf]})
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    assert json.loads((tmp_path / "result.json").read_text()) == {"interval": [0.0, None]}


@pytest.mark.parametrize("value", ["0.5", None, [1.0]])
def test_only_numbers_are_logged_against_steps(tmp_path: Path, value: object) -> None:
    with open_run(tmp_path) as run, pytest.raises(TypeError, match="loss is a"):
        run.log(1, loss=value)


def test_a_table_is_kept_as_csv(tmp_path: Path) -> None:
    with open_run(tmp_path) as run:
        path = run.table("planning/success", ["arm", "rate"], [["mpc, learned", np.float32(0.5)], ["bc", None]])
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["arm", "rate"], ["mpc, learned", "0.5"], ["bc", ""]]
    assert path == tmp_path / "tables" / "planning-success.csv"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"file/run cannot be written.*hydra\.run\.dir"),
        open_run(tmp_path / "file/run"),
    ):
        pass


def test_a_full_disk_is_one_sentence_and_keeps_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.result({"success": 1.0})

    def run_out(self: Path, text: str, encoding: str) -> None:
        self.write_bytes(text[:5].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", run_out)
    with pytest.raises(UserError, match="No space left on device"):
        folder.result({"success": 0.0})
    assert json.loads((tmp_path / "result.json").read_text()) == {"success": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
