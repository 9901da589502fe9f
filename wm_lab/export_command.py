"""The command `wm-lab-export RUN FOLDER`: a finished run's models as files for others (`wm_lab/deploy/export.py`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wm_lab import __version__
from wm_lab.command_line.answered import answered
from wm_lab.system.streams import prepare_streams


def cli() -> None:
    """The command line."""
    prepare_streams()
    sys.exit(main(sys.argv[1:]))


def main(words: list[str]) -> int:
    """Export one run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="wm-lab-export", description="A finished run's models as files for others.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="to be made")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    arguments = parser.parse_args(words)

    def work() -> None:
        from wm_lab.deploy.export import export_run
        from wm_lab.deploy.loaded_run import load_run

        for file in export_run(load_run(arguments.run), arguments.folder):
            print(file)

    unreadable = f"{arguments.folder} cannot be written; choose another folder"
    return answered("wm-lab-export", work, kept="what was not finished was not written", unreadable=unreadable)


if __name__ == "__main__":
    cli()
