"""The lab from Python."""

from __future__ import annotations

from contextlib import chdir

import pytest

from tests.entry.command import SMALL, runs
from wm_lab import UserError, ask


def test_python_asks_with_the_words_of_the_command_line_and_finds_its_artifacts(furnished, lab):
    with chdir(furnished):
        answer = ask(*SMALL)
    assert answer.verdicts[0] in lab.ended.out, "the same question to the same store has the same answer"
    assert (runs(furnished)[0] / "report.html").is_file()


def test_a_mistake_is_the_sentence_of_the_command(tmp_path):
    with chdir(tmp_path), pytest.raises(UserError, match=r"did you mean imagination"):
        ask("exercise=imaginatoin")
    assert not list(tmp_path.iterdir())
