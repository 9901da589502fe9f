"""`python -m wm_lab.play` is `wm-lab play`."""

import sys

from wm_lab.play.command import cli

if __name__ == "__main__":
    sys.exit(cli(sys.argv[1:]))
