"""Run the tests: `python3 scripts/test.py [pytest arguments…]`; paths are relative to the repository."""

import os
import sys

from _bootstrap import ROOT, start

if __name__ == "__main__":
    os.chdir(str(ROOT))
    start("python", "-m", "pytest", *sys.argv[1:])
