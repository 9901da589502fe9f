"""Keeping count while an exercise works: running totals for a progress bar, seconds and artifacts for the result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from wm_lab.tracking.progress import Progress


def tally(bar: Progress) -> Callable[..., None]:
    """An `advance` that shows running totals of the counts it hears."""
    totals: Counter[str] = Counter()

    def advance(episodes: int, **counts: int) -> None:
        totals.update(counts)
        bar.advance(episodes, **totals)

    return advance


class Clock:
    """Adds the time spent inside to an entry of a table."""

    def __init__(self, table: dict[str, float], name: str) -> None:
        self.table, self.name = table, name

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.table[self.name] = self.table.get(self.name, 0.0) + time.monotonic() - self.began
