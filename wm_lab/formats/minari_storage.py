"""Where a Minari dataset keeps its episodes: in one HDF5 file, or in an Arrow or Parquet file for each.

Read without the minari package, which makes the environment that a dataset names: a class of anybody's choice.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.files import file_in, shortened
from wm_lab.formats.hdf5 import array, arrays, inside, members, open_hdf5, read, reading_hdf5, require_held, subgroup
from wm_lab.formats.observed import STATE
from wm_lab.formats.parquet import whole_table
from wm_lab.formats.source import need
from wm_lab.formats.still import decoded

HDF5_FILE = "main_data.hdf5"
SUCCESS = "success"

JPEG = b"\xff\xd8\xff"
"""How a JPEG file begins."""


@dataclass
class StepOutcomes:
    """What every action led to."""

    reward: np.ndarray  # [L]
    terminal: np.ndarray  # [L]
    success: np.ndarray | None  # [L]; None: the environment did not say


class Storage(ABC):
    """Episodes by their numbers. Parts of nested spaces are named "a.b", those of a tuple by their places: "a.0"."""

    count: int  # episodes

    @abstractmethod
    def observations(self, number: int, only: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        """{name: [L + 1, ...]}, of all parts or some."""

    @abstractmethod
    def steps(self, number: int) -> int:
        """How many actions an episode has; they are not read."""

    @abstractmethod
    def actions(self, number: int) -> dict[str, np.ndarray]:
        """{name: [L, ...]}"""

    @abstractmethod
    def require_held(self, claimed: int) -> None:
        """UserError where so many bytes cannot be what is stored."""

    @abstractmethod
    def outcomes(self, number: int, steps: int) -> StepOutcomes:
        """Of an episode of so many actions."""


class Hdf5Storage(Storage):
    """data/main_data.hdf5: episode_0/observations, a dataset, or a group where the space has parts."""

    def __init__(self, folder: Path) -> None:
        path = self._path = file_in(folder, f"data/{HDF5_FILE}")
        self._folder, self._file = folder, open_hdf5(path, str(folder))
        try:
            with reading_hdf5():
                self.count = len([name for name in members(self._file) if re.fullmatch(r"episode_\d+", name)])
        except Unreadable as error:
            raise UserError(f"{path} {error}; download it again") from None

    def observations(self, number: int, only: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        with self._episode(number) as episode:
            found = _parts(episode, "observations")
            return {name: self._values(name, part) for name, part in found.items() if only is None or name in only}

    def steps(self, number: int) -> int:
        with self._episode(number) as episode:
            return min((part.shape[0] for part in _parts(episode, "actions").values() if part.shape), default=0)

    def actions(self, number: int) -> dict[str, np.ndarray]:
        with self._episode(number) as episode:
            return {name: read(part) for name, part in _parts(episode, "actions").items()}

    def require_held(self, claimed: int) -> None:
        require_held(self._path, claimed)

    def outcomes(self, number: int, steps: int) -> StepOutcomes:
        with self._episode(number) as episode:
            infos = subgroup(episode, "infos") if "infos" in members(episode) else {}
            said = read(array(infos, SUCCESS)) if infos and SUCCESS in members(infos) else None
            reward, terminal = read(array(episode, "rewards")), read(array(episode, "terminations"))
            return StepOutcomes(reward, terminal, _success(said, steps))

    def _values(self, name: str, part: Any) -> np.ndarray:
        """[L + 1, ...] of numbers, or of images out of their JPEG files: rows of bytes that begin as one does."""
        import h5py

        if part.dtype.kind in "fiub":
            begins = bytes(part[0, :3]) if part.ndim == 2 and part.dtype == np.uint8 and part.size else b""
            if begins != JPEG:
                return read(part)
        elif part.ndim != 1 or h5py.check_vlen_dtype(part.dtype) != np.uint8:
            raise Unreadable(f"has {name} of type {part.dtype}, which are neither numbers nor images")
        return decoded([row.tobytes() for row in part[:]], self._folder, name, None)

    @contextmanager
    def _episode(self, number: int) -> Iterator[Any]:
        with reading_hdf5():
            yield subgroup(self._file, f"episode_{number}")


class ArrowStorage(Storage):
    """data/0/part-0.arrow or .parquet: a row an observation; the last row's action, reward and flags are padding."""

    def __init__(self, folder: Path, kind: str, metadata: Mapping[str, Any]) -> None:
        self._folder, self._kind = folder, kind
        self._arrow = need("pyarrow", "lerobot", str(folder))
        self._shapes = _shapes(metadata.get("observation_space"), str(folder))
        self.count = len([path for path in (folder / "data").iterdir() if path.name.isdecimal()])
        self._open: tuple[int, Any] | None = None

    def observations(self, number: int, only: frozenset[str] | None = None) -> dict[str, np.ndarray]:
        with self._reading():
            found = self._flat(self._table(number).column("observations"))
            kept = {name: values for name, values in found.items() if only is None or name in only}
            return {name: self._shaped(name, self._values(values, name)) for name, values in kept.items()}

    def steps(self, number: int) -> int:
        with self._reading():
            return len(self._table(number)) - 1

    def actions(self, number: int) -> dict[str, np.ndarray]:
        with self._reading():
            found = self._flat(self._table(number).column("actions"))
            return {name: self._values(values, name)[:-1] for name, values in found.items()}

    def outcomes(self, number: int, steps: int) -> StepOutcomes:
        with self._reading():
            table = self._table(number)
            reward, terminal = (self._values(table.column(name), name) for name in ("rewards", "terminations"))
            infos = self._flat(table.column("infos")) if "infos" in table.column_names else {}
            said = self._values(infos[SUCCESS], SUCCESS) if SUCCESS in infos else None
            return StepOutcomes(reward[:-1], terminal[:-1], _success(said, steps))

    def require_held(self, claimed: int) -> None:
        """Every file is as large as what it holds, or packed by a scheme that `_table` has unpacked already."""

    def _table(self, number: int) -> Any:
        """The rows of one episode; the last one asked for is kept."""
        if self._open is None or self._open[0] != number:
            try:
                path = file_in(self._folder, f"data/{number}/part-0.{self._kind}")
                packed = whole_table(path) if self._kind == "parquet" else None
            except UserError as error:
                raise Unreadable(f"cannot be opened: {error}") from None
            if packed is None:
                from pyarrow import ipc

                with self._arrow.memory_map(str(path)) as file:
                    packed = ipc.open_file(file).read_all()
            packed.validate(full=True)
            self._open = number, packed
        return self._open[1]

    def _flat(self, column: Any, prefix: str = "") -> dict[str, Any]:
        """Fields of a struct by dotted names."""
        values = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        if not self._arrow.types.is_struct(values.type):
            return {prefix or STATE: values}
        flat: dict[str, Any] = {}
        for field, part in zip(values.type, values.flatten(), strict=True):
            flat |= self._flat(part, f"{prefix}.{field.name}" if prefix else field.name)
        return flat

    def _values(self, values: Any, name: str) -> np.ndarray:
        """[n, ...] of numbers, or of images out of their JPEG files."""
        types = self._arrow.types
        values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
        if values.null_count:
            raise Unreadable(f"has empty cells in {name}")
        if types.is_binary(values.type):
            return decoded(values.to_pylist(), self._folder, name, None)
        if types.is_fixed_size_list(values.type):
            rows: np.ndarray = values.flatten().to_numpy(zero_copy_only=False).reshape(len(values), -1)
            return rows
        return np.asarray(values.to_numpy(zero_copy_only=False))

    def _shaped(self, name: str, values: np.ndarray) -> np.ndarray:
        shape = self._shapes.get(name)
        fits = shape and values.ndim == 2 and int(np.prod(shape)) == values.shape[1]
        return values.reshape(len(values), *shape) if shape and fits else values

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (self._arrow.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError) as error:
            raise Unreadable(f"is damaged ({shortened(error)})") from None


def _parts(episode: Any, name: str) -> dict[str, Any]:
    """Datasets of one space, by their dotted names."""
    import h5py

    found = inside(episode, name)
    if isinstance(found, h5py.Dataset):
        return {STATE: array(episode, name)}
    named = {re.sub(r"(^|/)_index_(\d+)", r"\1\2", key).replace("/", "."): part for key, part in arrays(found).items()}
    return dict(sorted(named.items(), key=lambda item: _by_place(item[0])))


def _by_place(name: str) -> list[tuple[int, str]]:
    """Parts of a tuple in the order of their places: 2 before 10."""
    return [(int(part) if part.isdecimal() else -1, part) for part in name.split(".")]


def _success(said: np.ndarray | None, steps: int) -> np.ndarray | None:
    """[L] after each action: Minari keeps the reset's info too, as a first entry."""
    if said is None or said.size != len(said) or said.dtype.kind not in "fiub" or len(said) not in (steps, steps + 1):
        return None
    return said.reshape(-1)[-steps:] > 0


def _shapes(space: object, name: str) -> dict[str, tuple[int, ...]]:
    """{part: shape} of a space as Minari writes it."""
    from wm_lab.formats.hdf5 import json_mapping

    try:
        told = json_mapping(space) if isinstance(space, str) else {}
    except ValueError as error:
        raise UserError(f"{name} has a damaged observation_space ({error}); download it again") from None
    shapes: dict[str, tuple[int, ...]] = {}
    waiting: list[tuple[str, object]] = [("", told)]
    while waiting:
        prefix, part = waiting.pop()
        if not isinstance(part, Mapping):
            continue
        within, shape = part.get("subspaces"), part.get("shape")
        if isinstance(within, list):
            within = {str(i): value for i, value in enumerate(within)}
        if isinstance(within, Mapping):
            waiting += [(f"{prefix}.{key}" if prefix else key, value) for key, value in within.items()]
        elif isinstance(shape, list) and all(isinstance(side, int) and side > 0 for side in shape):
            shapes[prefix or STATE] = tuple(shape)
    return shapes
