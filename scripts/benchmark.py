"""Measure the lab: `python3 scripts/benchmark.py [--only NAME …]` prints one table in some minutes.

`--quick` does everything once and small, `--json FILE` keeps what was found, `--compare BEFORE AFTER` shows two.

Speeds that are judged by a ratio are measured beside their reference, turn by turn, in the same run.
"""

import os
import sys
from pathlib import Path

from _bootstrap import start

if __name__ == "__main__":
    # One thread: networks of this size gain little from a second, and beside other work timings lose their meaning.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    start("python", str(Path(__file__).resolve().parent / "benchmarks"), *sys.argv[1:])
