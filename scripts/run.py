"""Run wm_lab: `python3 scripts/run.py [overrides…]` is `wm-lab [overrides…]` in an environment that makes itself."""

import sys

from _bootstrap import start

if __name__ == "__main__":
    start("wm-lab", *sys.argv[1:])
