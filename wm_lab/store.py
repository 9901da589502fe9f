"""The store: every dataset and every trained model is kept under the hash of all that made it.

Asking for an artifact either finds it or builds it once, however many processes ask and however often they are killed:

    store.get("model", {"name": "rssm", "seed": 0, "data": data_key}, build)  ->  <root>/model/rssm-1f0c9a…/

A build runs in `<root>/<kind>/.building-<hash>` under a file lock and is renamed when it is complete, so a folder with
a plain name is always whole. A killed build leaves its folder behind, and the next `build` goes on from what it finds.
The lock is the system's own (flock): it ends with the process that holds it, and on a network file system with the
machine, so that nothing dead is ever waited for.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, SoftFileLock, Timeout

from wm_lab.errors import FULL, REFUSED, UserError

log = logging.getLogger(__name__)

FORMAT = 1
"""Revision of the store's own layout; part of every key, so that a change of layout never reads old folders."""

RECIPE = "recipe.json"
BUILDING, LOCK, HOLDER = ".building-", ".lock-", ".holder-"
"""How names begin of what lies beside artifacts while they are built; the key follows."""

TEMPORARY = "*.tmp"
"""Names of what a builder is writing at the moment; of a killed one it stays, and nobody else would remove it."""

HASH_LENGTH = 12  # hex digits in folder names: 48 bits, so a clash among a million artifacts has odds of about 1 in 500

LOCKLESS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


class Artifact(NamedTuple):
    """One finished artifact."""

    kind: str
    path: Path
    recipe: dict[str, Any]


class Used(NamedTuple):
    """An artifact that a run works with."""

    what: str  # "world model", "clone", "collection", "outcomes of mpc", ...
    seed: int  # of the training that asked for it
    place: str  # below the store, such as "model/rssm-hand-reach-1f0c9a3b5d7e"


class Store:
    """Content-addressed folders below `root`; safe among processes that share the file system."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self._reserved: dict[Path, ExitStack] = {}

    def get(self, kind: str, recipe: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """The folder of this artifact, built by `build(folder)` if nobody has yet.

        `recipe` names everything the artifact depends on, in JSON's terms; its optional "name" decorates the folder.
        `build` may find files of an earlier, killed attempt in its folder and should go on from them.
        Raises UserError where the disk is full or refuses, or where the folder holds something else than asked for.
        """
        content = _content(kind, recipe)
        place = self._place(content)
        if place.exists():
            return _checked(place, content)
        workshop = self._workshop(kind, recipe)
        with self._spoken(), self._reserved.pop(place, None) or self._alone(place, workshop):
            if not _is_there(place):  # otherwise somebody built it while this process waited
                self._prepare(workshop, kind, recipe)
                build(workshop)
                _flush(workshop)
                workshop.rename(place)
                _flush_folder(place.parent)
        return _checked(place, content)

    def reserve(self, kind: str, recipe: Mapping[str, Any]) -> bool:
        """Keep others from building this artifact until `get` has built it, or `release` lets them.

        False where there is nothing to build: it is there, or someone is building it or has reserved it.
        """
        place = self.path(kind, recipe)
        if place.exists():
            return False
        hold = ExitStack()
        try:
            with self._spoken():
                hold.enter_context(self._alone(place, self._workshop(kind, recipe), wait=False))
        except Timeout:
            return False
        if _is_there(place):  # built between the two looks
            hold.close()
            return False
        self._reserved[place] = hold
        return True

    def release(self) -> None:
        """Give back what was reserved and not built."""
        while self._reserved:
            self._reserved.popitem()[1].close()

    def key(self, kind: str, recipe: Mapping[str, Any]) -> str:
        """The artifact's full name: sha256 of kind, recipe and format revision; put it in recipes further down."""
        return key_of(kind, recipe)

    def path(self, kind: str, recipe: Mapping[str, Any]) -> Path:
        """Where the finished artifact is, or will be."""
        return self._place(_content(kind, recipe))

    def _place(self, content: Mapping[str, Any]) -> Path:
        kind: str = content["kind"]
        name = re.sub(r"[^\w.]+", "-", str(content["recipe"].get("name", kind))).strip("-.") or kind
        return self.root / kind / f"{name}-{_hash(content)[:HASH_LENGTH]}"

    def list(self, kind: str = "*") -> list[Artifact]:
        """All finished artifacts, sorted by path; unfinished ones are left out."""
        found = []
        for file in sorted(self.root.glob(f"{kind}/*/{RECIPE}")):
            if not file.parent.name.startswith("."):
                content = _read(file)
                found.append(Artifact(content["kind"], file.parent, content["recipe"]))
        return found

    def _workshop(self, kind: str, recipe: Mapping[str, Any]) -> Path:
        return self.path(kind, recipe).with_name(f"{BUILDING}{key_of(kind, recipe)[:HASH_LENGTH]}")

    def _prepare(self, workshop: Path, kind: str, recipe: Mapping[str, Any]) -> None:
        """Make the folder that is built in, or accept the one that a killed build left, without what it was writing."""
        workshop.mkdir(exist_ok=True)
        for unfinished in workshop.rglob(TEMPORARY):
            unfinished.unlink(missing_ok=True)
        asked = json.dumps(_content(kind, recipe), indent=2, sort_keys=True) + "\n"
        file = workshop / RECIPE
        if not file.exists() or file.read_text() != asked:
            temporary = workshop / f"{RECIPE}.tmp"  # renamed, so that a kill never leaves half a recipe
            temporary.write_text(asked)
            temporary.replace(file)

    @contextmanager
    def _alone(self, place: Path, workshop: Path, wait: bool = True) -> Iterator[None]:
        """Hold this artifact's lock, saying once who is waited for; without `wait`, raise Timeout instead."""
        place.parent.mkdir(parents=True, exist_ok=True)
        key = workshop.name.removeprefix(BUILDING)
        lock_file = workshop.with_name(f"{LOCK}{key}")
        lock = FileLock(lock_file)
        holder = workshop.with_name(f"{HOLDER}{key}")  # a file of its own: taking the lock empties the lock file
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            log.warning("waiting for %s, which is being built by %s", place.name, _holder(holder))
            lock.acquire()
        try:
            if isinstance(lock, SoftFileLock):  # filelock's makeshift: one that a lost machine held would stay for ever
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%H:%M:%S')}")
            yield
        finally:
            holder.unlink(missing_ok=True)
            if place.exists():  # whoever gets the lock hereafter finds it, and so may have another file than this one
                lock_file.unlink(missing_ok=True)
            lock.release()

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Turn the file system's refusals into sentences; every other error is the builder's own and passes."""
        try:
            yield
        except OSError as error:
            ours = error.filename is None or Path(os.fsdecode(error.filename)).absolute().is_relative_to(self.root)
            if error.errno in FULL:
                raise UserError(
                    f"the disk of the store {self.root} is full ({error}); free some space and run the same command "
                    "again: it goes on from what is already there"
                ) from error
            if error.errno in REFUSED and ours:
                raise UserError(
                    f"the store {self.root} cannot be written ({error}); make it writable or choose another folder"
                ) from error
            if error.errno in LOCKLESS and ours:
                raise UserError(
                    f"the store {self.root} lies on a file system without file locks ({error}); mount it with them, "
                    "or choose another folder"
                ) from error
            if isinstance(error, NotADirectoryError | FileExistsError) and ours:
                raise UserError(
                    f"the store {self.root} runs through something that is not a folder ({error}); choose another"
                ) from error
            raise


def key_of(kind: str, recipe: Mapping[str, Any]) -> str:
    """sha256 of kind, recipe and format revision: what an artifact is called by."""
    return _hash(_content(kind, recipe))


def _hash(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(place: Path, asked: Mapping[str, Any]) -> Path:
    """A folder whose recipe says what was asked for; UserError where it says something else."""
    found = _read(place / RECIPE)
    if found != asked:
        different = sorted(_differences(found, asked))
        raise UserError(
            f"{place} was made from another recipe than its name says (differs in {', '.join(different)}); "
            f"its {RECIPE} was edited or two recipes share a hash: move the folder away to build it again"
        )
    return place


def _content(kind: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": FORMAT, "kind": kind, "recipe": _canonical(recipe, "recipe")}


def _canonical(value: Any, where: str) -> Any:
    """`value` in JSON's own types, one spelling each: (1, 2) is [1, 2], 1.0 is 1, a NumPy scalar is a number."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # NumPy and torch scalars
        value = value.item()
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return int(value) if value.is_integer() else value
        return {"float": str(value)}  # JSON has no infinity
    if isinstance(value, Mapping):
        if strange := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"{where} has the key {strange[0]!r}; only strings keep their type in JSON")
        return {key: _canonical(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}; a recipe holds only what JSON can hold")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({error}); move {file.parent} away to build it again") from error
    if not isinstance(content, dict) or not {"format", "kind", "recipe"} <= content.keys():
        raise UserError(f"{file} is not a recipe of this store; move {file.parent} away to build it again")
    return content


def _differences(found: Any, asked: Any, where: str = "") -> Iterator[str]:
    """Dotted paths at which two JSON values differ."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for key in found.keys() | asked.keys():
            yield from _differences(found.get(key), asked.get(key), f"{where}.{key}".lstrip("."))
    elif found != asked:
        yield where


def _is_there(place: Path) -> bool:
    """Whether a folder exists now: a network file system may remember for a minute that it did not, until it lists."""
    return place.name in os.listdir(place.parent)  # noqa: PTH208


def _holder(file: Path) -> str:
    try:
        return file.read_text() or "another process"
    except OSError:  # taken or given back in this very moment
        return "another process"


def _flush(folder: Path) -> None:
    """Bring a finished folder to the disk before it gets its final name, so that a power cut cannot hollow it out."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with (Path(parent) / name).open("rb") as file:
                os.fsync(file.fileno())
        _flush_folder(Path(parent))


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
