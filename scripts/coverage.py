"""How often do the intervals of the tables hold the truth? `python3 scripts/coverage.py [EXPERIMENTS]` prints a table.

A seeded simulation: 2,000 experiments a row, the default, take some ten minutes on one core. A sample of it is a test.
"""

import os
import sys
from pathlib import Path

from _bootstrap import start

if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    start("python", str(Path(__file__).resolve().parent / "coverages"), *sys.argv[1:])
