"""The command `wm-lab-report FOLDER…`: any runs, wherever they lie, as one page with tables and figures.

Writes report.html (complete in itself), report.md and tables/*.csv (with --latex also *.tex), and prints the tables.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wm_lab import __version__
from wm_lab.command_line.answered import answered
from wm_lab.errors import UserError
from wm_lab.reports.chapters import title_of
from wm_lab.reports.sweep_report import answer_sweep, write_report
from wm_lab.reports.terminal import print_answer
from wm_lab.system.streams import prepare_streams


def cli() -> None:
    """Read the command line, write the report."""
    prepare_streams()
    parser = argparse.ArgumentParser(prog="wm-lab-report", description="One report for any number of runs.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a run, or a folder that holds runs")
    parser.add_argument("--output", type=Path, help="where to write (default: the first FOLDER)")
    parser.add_argument("--title", help="of the page (default: the name of the first FOLDER)")
    parser.add_argument("--latex", action="store_true", help="also write each table as tables/*.tex (booktabs)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    arguments = parser.parse_args()

    def work() -> None:
        report(arguments.folders, arguments.output, arguments.title, arguments.latex)

    if code := answered("wm-lab-report", work, kept="no page was written"):
        sys.exit(code)


def report(folders: list[Path], output: Path | None = None, title: str | None = None, latex: bool = False) -> Path:
    """The page of these runs; UserError where there are fewer than two."""
    answer = answer_sweep(folders)
    if answer is None:
        raise UserError(f"{folders[0]} holds one run, whose own report.html says it all; name at least two")
    try:
        title = title or title_of(answer.chapters, folders[0].absolute().name)
        page = write_report(output or folders[0], title, answer, latex)
    except OSError as error:
        raise UserError(f"the report cannot be written ({error}); choose another folder with --output") from error
    print_answer(answer, page)
    return page


if __name__ == "__main__":
    cli()
