"""Draw the moving pictures of README.md and docs/gallery.md: `python3 scripts/gallery.py [outputs=FOLDER]`.

It trains what the store below `outputs` lacks: some minutes on two cores.
"""

import os
import sys
from pathlib import Path

from _bootstrap import start

if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"
    start("python", str(Path(__file__).resolve().parent / "galleries"), *sys.argv[1:])
