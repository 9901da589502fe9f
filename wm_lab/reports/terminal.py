"""An answer on the terminal: tables, then verdicts, then where the rest lies."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wm_lab.reports.tables import Table

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 200
"""Columns where there is no terminal to ask, as in a log file."""

MOST_ROWS = 60
"""Of a table, on the terminal; more scroll the verdicts away, and the page has them all."""


class Printable(Protocol):
    """What can be told: the first verdict is the headline."""

    @property
    def verdicts(self) -> Sequence[str]: ...

    @property
    def tables(self) -> Sequence[Table]: ...


def print_answer(answer: Printable, where: Path, used: Mapping[str, Path] | None = None) -> None:
    """Print the answer to standard output, and where it and what it used ({what: place}) lie."""
    console = _console()
    for table in answer.tables:
        console.print(_shortened(table).rich())
    for i, verdict in enumerate(answer.verdicts):
        console.print(verdict, style="bold" if i == 0 else None, markup=False)
    for what, place in {"results": where, **(used or {})}.items():
        console.print(f"{what}: {place}", soft_wrap=True, markup=False)


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables to standard output, whole."""
    console = _console()
    for table in tables:
        console.print(table.rich())


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH)


def _shortened(table: Table) -> Table:
    """The first rows of a long table, and how many more there are."""
    more = len(table.rows) - MOST_ROWS
    if more <= 0:
        return table
    caption = f"… and {more} more rows in the report. {table.caption}".rstrip()
    return replace(table, rows=table.rows[:MOST_ROWS], caption=caption)
