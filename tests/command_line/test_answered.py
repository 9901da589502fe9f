"""The commands beside `wm-lab` end in one sentence, whatever a user did."""

from __future__ import annotations

import errno

import pytest

from wm_lab import data_command, export_command, report, store_command
from wm_lab.command_line.answered import answered
from wm_lab.errors import UserError


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("no such run; name another"), 2, "no such run; name another"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (MemoryError(), 2, "there is not enough memory (none is left); nothing was written"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "free some space, or choose another folder"),
        (PermissionError(13, "Permission denied"), 2, "the store cannot be read ([Errno 13] Permission denied)"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(error, code, told, capsys):
    assert (
        answered("wm-lab-x", raising(error), kept="nothing was written", unreadable="the store cannot be read") == code
    )
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == bool(told)


def test_a_fault_of_the_labs_own_is_raised():
    with pytest.raises(PermissionError):
        answered("wm-lab-x", raising(PermissionError(13, "Permission denied")), kept="nothing was written")


@pytest.mark.parametrize(
    ("command", "body", "words"),
    [
        (store_command, "take_stock", ["verify"]),
        (data_command, "_open", ["info", "somewhere"]),
    ],
)
def test_an_interrupted_command_says_so(command, body, words, monkeypatch, capsys):
    monkeypatch.setattr(command, body, lambda *_: raising(KeyboardInterrupt())())
    assert command.main(words) == 130
    assert "interrupted; " in capsys.readouterr().err


def test_an_interrupted_report_or_export_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(report, "answer_sweep", lambda *_: raising(KeyboardInterrupt())())
    monkeypatch.setattr("sys.argv", ["wm-lab-report", str(tmp_path)])
    with pytest.raises(SystemExit, match="130"):
        report.cli()
    monkeypatch.setattr("wm_lab.deploy.loaded_run.load_run", lambda *_: raising(KeyboardInterrupt())())
    assert export_command.main([str(tmp_path), str(tmp_path / "new")]) == 130
    assert capsys.readouterr().err.count("interrupted; ") == 2
