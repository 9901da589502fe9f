"""Run the tests: `python3 scripts/test.py [pytest arguments…]`; paths are relative to the repository.

Without a path all of them, on all cores; a file belongs to one process, and the slow folders come first.
`-m "not slow"` leaves out what takes long.
"""

import os
import sys
from pathlib import Path

from _bootstrap import ROOT, start

EVERYTHING = ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]

if __name__ == "__main__":
    os.chdir(str(ROOT))
    words = sys.argv[1:]
    is_all = "-n" not in words and not any(Path(word.partition("::")[0]).exists() for word in words)
    start("python", "-m", "pytest", *(EVERYTHING if is_all else []), *words)
