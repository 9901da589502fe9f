"""What a store holds, how large it is, and which runs use it; and how to be rid of some of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from wm_lab.errors import UserError
from wm_lab.store import BUILDING, HASH_LENGTH, HOLDER, LOCK
from wm_lab.tracking.run_folder import RESULT

DAY = 86_400.0


@dataclass(frozen=True)
class Item:
    """One finished artifact; `place` is what results call it, "model/rssm-hand-reach-1f0c9a3b5d7e"."""

    place: str
    size: int  # bytes
    made: float  # seconds since 1970
    runs: tuple[str, ...]  # names of the run folders that use it

    @property
    def kind(self) -> str:
        return self.place.partition("/")[0]

    def days(self, now: float) -> float:
        return (now - self.made) / DAY


@dataclass(frozen=True)
class Stock:
    """`mute` runs have a result of before results named what they used: nobody knows what they need."""

    items: list[Item]
    leftovers: list[Path]  # unfinished builds, and locks that nobody needs
    mute: list[str]


def take_stock(root: Path, runs: Iterable[Path]) -> Stock:
    """Everything in the store at `root`, and who in these folders of runs uses it.

    Raises UserError where there is no store.
    """
    if not root.is_dir():
        raise UserError(f"there is no store at {root}; name one with --store, such as outputs/store")
    users, mute = _users(root, runs)
    items, leftovers = [], []
    for kind in sorted(entry.path for entry in os.scandir(root) if entry.is_dir()):
        for entry in sorted(os.scandir(kind), key=lambda entry: entry.name):
            if entry.name.startswith("."):
                leftovers.append(Path(entry.path))
            elif entry.is_dir():
                place = f"{Path(kind).name}/{entry.name}"
                items.append(Item(place, _size(entry.path), entry.stat().st_mtime, tuple(users.get(place, ()))))
    return Stock(items, leftovers, mute)


def _users(root: Path, folders: Iterable[Path]) -> tuple[Mapping[str, list[str]], list[str]]:
    """{place: names of runs}, and the runs that do not say what they use."""
    users: dict[str, list[str]] = defaultdict(list)
    mute = []
    for folder in folders:
        for file in sorted(folder.rglob(RESULT)):
            with suppress(OSError, ValueError):
                result = json.loads(file.read_text(encoding="utf-8"))
                if "used" not in result:
                    mute.append(file.parent.name)
                elif (file.parent / result["store"]).resolve() == root.resolve():
                    for place in dict.fromkeys(used["place"] for used in result["used"]):
                        users[place].append(file.parent.name)
    return users, mute


def _size(folder: str) -> int:
    total = 0
    for entry in os.scandir(folder):
        total += _size(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size
    return total


def remove(root: Path, item: Item) -> bool:
    """Take an artifact out of the store, at once for whoever looks; False where it is being built or waited for."""
    place = root / item.place
    key = place.name[-HASH_LENGTH:]
    lock_file = place.with_name(f"{LOCK}{key}")
    lock = FileLock(lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        gone = place.with_name(f".pruned-{place.name}")
        place.rename(gone)
        shutil.rmtree(gone)
        lock_file.unlink(missing_ok=True)
    finally:
        lock.release()
    return True


def sweep(leftovers: Iterable[Path]) -> Iterator[Path]:
    """Remove what killed builds left, but for those that go on now; yields what was removed.

    A training that was killed goes on from there, so this is for what nobody will ask for again.
    """
    for path in sorted(leftovers):
        if path.name.startswith(HOLDER):
            continue  # whoever holds the lock removes it
        key = path.name.removeprefix(BUILDING).removeprefix(LOCK)
        lock_file = path.with_name(f"{LOCK}{key}")
        lock = FileLock(lock_file)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                path.with_name(f"{HOLDER}{key}").unlink(missing_ok=True)
                lock_file.unlink(missing_ok=True)
            finally:
                lock.release()
            yield path


def older(items: Iterable[Item], days: float) -> list[Item]:
    """Those that were made longer ago."""
    now = time.time()
    return [item for item in items if item.days(now) >= days]
