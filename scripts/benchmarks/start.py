"""What stands before and around the work: help, completion, a configuration shown, a run whose work was all done."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measure import Row, size

CELLS = 5  # of a sweep, beyond its first
SMOKE = ("scale=smoke", "tracking=disabled")
WORDS: dict[str, tuple[Sequence[str], float]] = {
    "wm-lab --help": (["--help"], 1.0),
    "completion of a word": (["-sc", "query=bash"], 1.0),
    "wm-lab --cfg job": (["--cfg", "job"], 1.0),
}
"""{what is measured: (what is typed, CPU seconds at most)}"""

LARGEST_RUN, LARGEST_CELL = 2.5, 0.3  # CPU seconds


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        rows = [Row(name, fewest(folder, *words), "s", most) for name, (words, most) in WORDS.items()]
        wm_lab(folder, *SMOKE)  # makes what the others find
        rows.append(Row("a run of which all is in the store", fewest(folder, *SMOKE), "s", LARGEST_RUN))
        cells = size(CELLS, 1)
        many, few = (sum(sweep(folder, count) for _ in range(size(2, 1))) for count in (1 + cells, 1))
        rows.append(Row("a further cell of a sweep, the same", (many - few) / size(2, 1) / cells, "s", LARGEST_CELL))
    return rows


def fewest(folder: str, *words: str) -> float:
    """CPU seconds of the fastest of a few."""
    return min(wm_lab(folder, *words) for _ in range(size(4, 1)))


def sweep(folder: str, cells: int) -> float:
    """CPU seconds of a sweep whose cells differ in nothing that is computed, and which is not gone on with."""
    place = tempfile.mkdtemp(dir=folder)
    workers = ",".join(str(1 + cell) for cell in range(cells))
    return wm_lab(folder, "-m", *SMOKE, f"workers={workers}", f"hydra.sweep.dir={Path(place) / 'sweep'}")


def wm_lab(folder: str, *words: str) -> float:
    """CPU seconds of the command with these words."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "wm_lab", *words], cwd=folder, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
