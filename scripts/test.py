"""Run the tests: `python3 scripts/test.py [pytest arguments…]`; paths are relative to the repository.

Without arguments all of them, on all cores; a file belongs to one process, and the slow rooms come first.
"""

import os
import sys

from _bootstrap import ROOT, start

EVERYTHING = ["-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder"]

if __name__ == "__main__":
    os.chdir(str(ROOT))
    start("python", "-m", "pytest", *(sys.argv[1:] or EVERYTHING))
