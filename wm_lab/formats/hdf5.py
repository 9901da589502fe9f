"""HDF5 files of others, read by h5py without ever being led out of the file or into more than it holds.

HDF5 can point anywhere: links to other files, datasets whose bytes lie in other files, datasets that are views of
others, and datasets of any size that were never written. All of these are refused by name before they are touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.files import shortened
from wm_lab.formats.source import need

DEEPEST = 8
"""Groups within groups that are looked into."""

MOST_ARRAYS = 1000
"""Of one episode."""

MOST_EPISODES = 200_000
"""Of one file. The largest recordings of robots have about a hundred thousand."""

LARGEST = 8 << 30
"""Bytes of one array of one episode, which is read in one piece."""

SMALL, DENSEST = 1 << 26, 500
"""An array of more than so many bytes that claims to be so many times larger than what is stored of it is empty or a
trap: compressed camera images come to a hundredth, seldom less."""

MANY = 1 << 30
"""As `SMALL`, of a whole file."""

NUMBERS = "fiub"
"""Kinds of NumPy's types."""

FAULTS = (
    OSError,
    KeyError,
    ValueError,
    IndexError,
    TypeError,
    RuntimeError,
    AttributeError,
    MemoryError,
    OverflowError,
)
"""What h5py raises on damaged files."""


def open_hdf5(path: Path, wanted_by: str) -> Any:
    """The file's root group; UserError where it is damaged."""
    h5py = need("h5py", "hdf5", wanted_by)
    try:
        return h5py.File(path, "r")
    except FAULTS as error:
        raise UserError(f"{path} is damaged ({shortened(error)}); copy it again") from None


@contextmanager
def reading_hdf5() -> Iterator[None]:
    """What h5py finds damaged is Unreadable."""
    try:
        yield
    except FAULTS as error:
        raise Unreadable(f"is damaged ({shortened(error)})") from None


def members(group: Any) -> list[str]:
    """Names in a group; nothing that they stand for is opened."""
    if len(group) > MOST_EPISODES:
        raise Unreadable(f"has {len(group)} entries in {group.name}, and at most {MOST_EPISODES} are read")
    return [name if isinstance(name, str) else name.decode("utf-8", "surrogateescape") for name in group]


def inside(group: Any, name: str) -> Any:
    """What `name` stands for in a group, if it lies in the file itself."""
    import h5py

    place, links = name.encode("utf-8", "surrogateescape"), group.id.links
    if not links.exists(place):
        raise Unreadable(f"lacks {_place(group, name)}")
    kind = links.get_info(place).type
    if kind != h5py.h5l.TYPE_HARD:
        target = links.get_val(place) if kind in (h5py.h5l.TYPE_SOFT, h5py.h5l.TYPE_EXTERNAL) else b"something else"
        parts = target if isinstance(target, tuple) else (target,)
        where = shortened(": ".join(part.decode("utf-8", "replace") for part in parts))
        raise Unreadable(
            f"has a link to {where} in place of {_place(group, name)}, and links are not followed; copy what it points "
            "at into the file"
        )
    return group[name]


def subgroup(group: Any, name: str) -> Any:
    """A group in a group."""
    import h5py

    found = inside(group, name)
    if not isinstance(found, h5py.Group):
        raise Unreadable(f"has an array in place of the group {_place(group, name)}")
    return found


def array(group: Any, place: str) -> Any:
    """An array in a group or in groups of it ("group/name"), which the file itself holds; it is not read yet."""
    import h5py

    *groups, name = place.split("/")
    for within in groups:
        group = subgroup(group, within)
    found = inside(group, name)
    if not isinstance(found, h5py.Dataset):
        raise Unreadable(f"has no array in {_place(group, name)}")
    _require_own(found)
    if not found.shape:
        raise Unreadable(f"has one value in place of the array {_place(group, name)}")
    return found


def arrays(group: Any) -> dict[str, Any]:
    """Every dataset in a group and in the groups in it, {"group/name": dataset}; they are not read yet."""
    import h5py

    found: dict[str, Any] = {}
    waiting = [("", group, 0)]
    while waiting:
        prefix, place, depth = waiting.pop()
        if depth > DEEPEST:
            raise Unreadable(f"has groups in groups, more than {DEEPEST} deep, in {_place(group, prefix[:40])}")
        for name in members(place):
            if len(found) + len(waiting) >= MOST_ARRAYS:
                raise Unreadable(f"has more than {MOST_ARRAYS} arrays and groups in {group.name}")
            part = inside(place, name)
            if isinstance(part, h5py.Dataset):
                _require_own(part)
                found[prefix + name] = part
            elif isinstance(part, h5py.Group):
                waiting.append((f"{prefix}{name}/", part, depth + 1))
    return dict(sorted(found.items()))


def read(dataset: Any, start: int | None = None) -> np.ndarray:
    """The rows of an array from `start` on, [n, ...], which must be numbers."""
    if dataset.dtype.kind not in NUMBERS:
        raise Unreadable(f"has {_tail(dataset.name)} of type {shortened(dataset.dtype)}, which are no numbers")
    return np.asarray(dataset[start:])


def attribute(group: Any, name: str) -> Any:
    """An attribute of a group, None where there is none."""
    return group.attrs.get(name)


def json_attribute(group: Any, name: str) -> dict[str, Any]:
    """An attribute that is a mapping in JSON; empty where there is none, or null. ValueError says what else it is."""
    text = attribute(group, name)
    if text is None:
        return {}
    if not isinstance(text, str | bytes):
        raise ValueError(f"it is no text but of type {type(text).__name__}")
    return json_mapping(text)


def json_mapping(text: str | bytes) -> dict[str, Any]:
    """A mapping in JSON, or null; ValueError says what else it is."""
    try:
        told = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if told is not None and not isinstance(told, dict):
        raise ValueError(f"it is no mapping but of type {type(told).__name__}")
    return told or {}


def require_held(path: Path, claimed: int) -> None:
    """UserError where the episodes of a file claim so many times more bytes than it has that they must be a trap."""
    if claimed > MANY and claimed > DENSEST * path.stat().st_size:
        raise UserError(
            f"{path} claims {claimed / 2**30:.3g} GiB of episodes and has {path.stat().st_size} bytes; most of them "
            "were never written"
        )


def _require_own(dataset: Any) -> None:
    """Unreadable unless the numbers of a dataset lie in its own file, and are about as many as it says."""
    import h5py

    layout = dataset.id.get_create_plist()
    if layout.get_layout() == h5py.h5d.VIRTUAL:
        raise Unreadable(
            f"keeps {_tail(dataset.name)} as a view of other arrays (a virtual dataset); copy them into the file"
        )
    if layout.get_external_count():
        raise Unreadable(f"keeps {_tail(dataset.name)} in other files (external storage); copy it into the file")
    if dataset.shape is None:
        raise Unreadable(f"has nothing in {_tail(dataset.name)}")
    if dataset.dtype.kind not in NUMBERS:
        return  # not numbers: never read as any
    claimed, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    if claimed > LARGEST or (claimed > SMALL and claimed > DENSEST * stored):
        raise Unreadable(
            f"claims {list(dataset.shape)} numbers in {_tail(dataset.name)}, {claimed / 2**30:.3g} GiB, and {stored} "
            "bytes of them were written"
        )


def _place(group: Any, name: str) -> str:
    return _tail(f"{group.name}/{name}")


def _tail(place: str) -> str:
    """The last names of a long path, enough to find it."""
    return shortened(place.lstrip("/") if len(place) < 120 else f"…{place[-100:]}")
