"""The command `wm-lab-store`: what the store holds, what it costs, and what nobody needs any more.

wm-lab-store list [--kind model] [--unused]      what, size, age, and the runs that use it
wm-lab-store du                                  size of each kind
wm-lab-store prune --older-than 30 [--yes]       what no run uses; says what it would remove, and with --yes does
wm-lab-store verify                              reads everything; exit code 2 where something is damaged
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from wm_lab import __version__
from wm_lab.command_line.answered import answered
from wm_lab.errors import UserError
from wm_lab.reports.tables import Table
from wm_lab.reports.terminal import print_tables
from wm_lab.stock import DAY, Item, Stock, older, remove, sweep, take_stock
from wm_lab.system.streams import prepare_streams
from wm_lab.tracking.progress import progress

UNITS = ("B", "kB", "MB", "GB", "TB")
THOUSAND = 1000.0
NAMED_RUNS = 2  # of those that use an artifact; of more the number is told


def cli() -> None:
    """The command line."""
    prepare_streams()
    sys.exit(main(sys.argv[1:]))


def main(words: list[str]) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(words)

    def work() -> None:
        root = arguments.store.expanduser().absolute()
        folders = [folder.absolute() for folder in arguments.runs or (root.parent / "runs", root.parent / "multiruns")]
        if missing := [folder for folder in folders if arguments.runs and not folder.is_dir()]:
            raise UserError(f"there is no folder {missing[0]} for --runs; name folders that hold runs")
        arguments.run(root, take_stock(root, folders), arguments)

    kept = "what was removed whole is gone, the rest is as it was"
    return answered("wm-lab-store", work, kept=kept, unreadable="the store cannot be read or changed")


def list_(root: Path, stock: Stock, arguments: argparse.Namespace) -> None:
    """Every artifact, the newest first."""
    items = [item for item in stock.items if arguments.kind in (None, item.kind)]
    items = [item for item in items if not (arguments.unused and item.runs)]
    print_tables([_table(sorted(items, key=lambda item: -item.made), f"Store {root}")])
    _tell_mute(stock)


def du(root: Path, stock: Stock, arguments: argparse.Namespace) -> None:
    """Size and number of each kind."""
    kinds: dict[str, list[Item]] = defaultdict(list)
    for item in stock.items:
        kinds[item.kind].append(item)
    rows = [_total(kind, items) for kind, items in sorted(kinds.items())]
    columns = ("kind", "artifacts", "size", "of unused ones")
    print_tables([Table(f"Store {root}", columns, [*rows, _total("all", stock.items)], frozenset({"kind"}))])
    _tell_mute(stock)


def prune(root: Path, stock: Stock, arguments: argparse.Namespace) -> None:
    """Remove what is old and unused, or say what would be."""
    chosen = older([item for item in stock.items if not item.runs], arguments.older_than)
    old = time.time() - arguments.older_than * DAY
    leftovers = [path for path in stock.leftovers if path.exists() and path.stat().st_mtime <= old]
    _tell_mute(stock)
    size = _told_size(sum(item.size for item in chosen))
    if not arguments.yes:
        print_tables([_table(chosen, "To be removed")] if chosen else [])
        print(
            f"{len(chosen)} artifacts of {size} and {len(leftovers)} leftovers of killed builds would go; "
            "nothing was removed: say so with --yes"
        )
        return
    gone = [item for item in chosen if remove(root, item)]
    swept = list(sweep(leftovers))
    print(f"removed {len(gone)} artifacts of {_told_size(sum(item.size for item in gone))} and {len(swept)} leftovers")
    if len(gone) < len(chosen):
        print(f"{len(chosen) - len(gone)} are in use by a process now, and stay")


def verify(root: Path, stock: Stock, arguments: argparse.Namespace) -> None:
    """Read every artifact; UserError names those that are damaged."""
    from wm_lab.stock_check import fault

    faults = {}
    with progress("verify", len(stock.items)) as bar:
        for item in stock.items:
            if (told := fault(root, item)) is not None:
                faults[item.place] = told
            bar.advance(1)
    for place, told in faults.items():
        print(f"{place}: {told}")
    if faults:
        raise UserError(
            f"{len(faults)} of {len(stock.items)} artifacts are damaged; delete their folders, and the next run makes "
            "them again"
        )
    print(f"{len(stock.items)} artifacts are whole")


def _table(items: Sequence[Item], title: str) -> Table:
    now = time.time()
    rows = [
        (item.place, _told_size(item.size), time.strftime("%Y-%m-%d", time.localtime(item.made)), _told_runs(item.runs))
        for item in items
    ]
    caption = f"{len(items)} artifacts of {_told_size(sum(item.size for item in items))}"
    caption += f", the oldest of {max(item.days(now) for item in items):.0f} days" if items else ""
    return Table(title, ("what", "size", "made", "used by"), rows, frozenset({"what", "used by"}), f"{caption}.")


def _total(kind: str, items: Sequence[Item]) -> tuple[str, ...]:
    unused = sum(item.size for item in items if not item.runs)
    return (kind, str(len(items)), _told_size(sum(item.size for item in items)), _told_size(unused))


def _told_runs(runs: Sequence[str]) -> str:
    if not runs:
        return "–"
    more = f" and {len(runs) - NAMED_RUNS} more" if len(runs) > NAMED_RUNS else ""
    return ", ".join(runs[:NAMED_RUNS]) + more


def _told_size(size: float) -> str:
    """ "3.2 MB" """
    for unit in UNITS:
        if size < THOUSAND or unit == UNITS[-1]:
            break
        size /= THOUSAND
    return f"{size:.0f} {unit}" if unit == UNITS[0] else f"{size:.1f} {unit}"


def _tell_mute(stock: Stock) -> None:
    if stock.mute:
        print(
            f"{len(stock.mute)} runs, such as {stock.mute[-1]}, are older than the record of what a run uses; what "
            "they used counts as unused, until they are run again"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wm-lab-store", description="What the store holds, and what to be rid of.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("list", list_, "every artifact: size, age, who uses it"),
        ("du", du, "size of each kind"),
        ("prune", prune, "remove what no run uses"),
        ("verify", verify, "read everything"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(run=run)
        command.add_argument("--store", type=Path, default=Path("outputs/store"), help="default: outputs/store")
        command.add_argument(
            "--runs", type=Path, nargs="+", metavar="FOLDER", help="of runs that may use it (default: beside the store)"
        )
        if name == "list":
            command.add_argument("--kind", help="of these alone: model, dataset, outcomes, ...")
            command.add_argument("--unused", action="store_true", help="those that no run uses")
        if name == "prune":
            words = "made longer ago (default: 1, for a run that goes on now has told nobody yet what it uses)"
            command.add_argument("--older-than", type=_days, default=1.0, metavar="DAYS", help=words)
            command.add_argument("--yes", action="store_true", help="do it; without, it is told what would be done")
    return parser


def _days(text: str) -> float:
    """30, 30d or 0.5"""
    try:
        days = float(text.removesuffix("d"))
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


if __name__ == "__main__":
    cli()
