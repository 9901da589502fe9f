"""Progress of long work: a bar on a terminal, a line now and then in a log file.

with progress("collect hand/push", total=400) as bar:
    for episode in episodes:
        bar.advance(success=rate)
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10.0

JOB = "WM_LAB_JOB"
"""Environment variable that names the job of a sweep, for the processes that it starts."""


class Progress(ABC):
    """Work of which `total` pieces are to be done (None: nobody knows how many)."""

    @abstractmethod
    def advance(self, n: int = 1, **fields: float | int | str) -> None:
        """`n` more pieces are done; `fields` are shown beside the count until newer ones replace them."""


@contextmanager
def of_job(name: str) -> Iterator[None]:
    """Every line of progress begins with this name: jobs of a sweep that run side by side write into one log."""
    os.environ[JOB] = name
    try:
        yield
    finally:
        os.environ.pop(JOB, None)


@contextmanager
def progress(description: str, total: int | None, stream: TextIO | None = None) -> Iterator[Progress]:
    """Show how far some work is, on standard error unless told otherwise."""
    stream = stream or sys.stderr
    if (job := os.environ.get(JOB)) is not None:
        description = f"{job}: {description}"
    alone = multiprocessing.parent_process() is None  # two processes' bars would overwrite each other
    if stream.isatty() and alone:
        with _bar(stream) as live:
            yield _Bar(live, description, total)
    else:
        lines = _Lines(stream, description, total)
        try:
            yield lines
        except BaseException:
            lines.close("stopped at")
            raise
        lines.close("done:")


class _Bar(Progress):
    def __init__(self, live: RichProgress, description: str, total: int | None) -> None:
        self._live = live
        self._fields: dict[str, float | int | str] = {}
        self._task = live.add_task(description, total=total, fields="")

    def advance(self, n: int = 1, **fields: float | int | str) -> None:
        self._fields |= fields
        self._live.update(self._task, advance=n, fields=_spell(self._fields))


class _Lines(Progress):
    """Plain lines, at most one in ten seconds, so that a log stays readable."""

    def __init__(self, stream: TextIO, description: str, total: int | None) -> None:
        self._stream, self._description, self._total = stream, description, total
        self._done = 0
        self._fields: dict[str, float | int | str] = {}
        self._began = self._spoke = time.monotonic()

    def advance(self, n: int = 1, **fields: float | int | str) -> None:
        self._done += n
        self._fields |= fields
        now = time.monotonic()
        if now - self._spoke >= SECONDS_BETWEEN_LINES:
            self._spoke = now
            remaining = ""
            if self._total and self._done:
                remaining = f", {_clock((now - self._began) * (self._total / self._done - 1))} left"
            self._say(self._count() + remaining)

    def close(self, word: str) -> None:
        self._say(f"{word} {self._count()} in {_clock(time.monotonic() - self._began)}")

    def _count(self) -> str:
        return f"{self._done}/{self._total}" if self._total is not None else f"{self._done}"

    def _say(self, words: str) -> None:
        rate = self._done / max(time.monotonic() - self._began, 1e-9)
        line = f"{self._description}: {words}, {rate:.3g}/s  {_spell(self._fields)}"
        print(line.rstrip(), file=self._stream, flush=True)


def _bar(stream: TextIO) -> RichProgress:
    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[fields]}"),
        console=Console(file=stream),
    )


def _spell(fields: dict[str, float | int | str]) -> str:
    words = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in fields.items()}
    return " ".join(f"{name}={value}" for name, value in words.items())


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
