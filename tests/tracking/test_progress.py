"""Progress is a bar on a terminal and a few plain lines everywhere else."""

from __future__ import annotations

import io
import time

import pytest

from wm_lab.tracking import progress
from wm_lab.tracking.progress import of_job


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_a_log_gets_a_line_every_ten_seconds_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, log = Clock(monkeypatch), io.StringIO()
    with progress("collect", 100, stream=log) as bar:
        for _ in range(25):
            clock.now += 1.0
            bar.advance(4, success=0.51234, task="hand/push")
    assert log.getvalue().splitlines() == [
        "collect: 40/100, 0:15 left, 4/s  success=0.512 task=hand/push",
        "collect: 80/100, 0:05 left, 4/s  success=0.512 task=hand/push",
        "collect: done: 100/100 in 0:25, 4/s  success=0.512 task=hand/push",
    ]


def test_a_job_of_a_sweep_is_named_in_every_line() -> None:
    log = io.StringIO()
    with of_job("#3 planning hand/push"), progress("train rssm", 1, stream=log) as bar:
        bar.advance()
    with progress("train rssm", 1, stream=log):
        pass
    named, alone = log.getvalue().splitlines()
    assert named.startswith("#3 planning hand/push: train rssm: done") and alone.startswith("train rssm: ")


def test_work_without_a_known_end_counts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, log = Clock(monkeypatch), io.StringIO()
    with progress("wait", None, stream=log) as bar:
        clock.now += 3700.0
        bar.advance()
    assert log.getvalue().splitlines()[-1].startswith("wait: done: 1 in 1:01:40")


def test_work_that_fails_says_how_far_it_came() -> None:
    log = io.StringIO()

    def fail() -> None:
        with progress("train", 10, stream=log) as bar:
            bar.advance(3)
            raise ValueError("this step failed")

    with pytest.raises(ValueError, match="this step failed"):
        fail()
    assert log.getvalue().startswith("train: stopped at 3/10 in 0:00")


def test_a_terminal_gets_a_bar_with_the_latest_fields() -> None:
    screen = Terminal()
    with progress("train", 10, stream=screen) as bar:
        bar.advance(5, loss=0.5)
        bar.advance(5, loss=0.25)
    assert "10/10" in screen.getvalue()
    assert "loss=0.25" in screen.getvalue()


def test_bars_may_be_nested() -> None:
    screen = Terminal()
    with progress("rounds", 1, stream=screen) as outer, progress("episodes", 2, stream=screen) as inner:
        inner.advance(2)
        outer.advance(1)
    assert "2/2" in screen.getvalue()
