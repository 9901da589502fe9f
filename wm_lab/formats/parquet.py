"""Parquet files of a dataset, read column by column; whatever is wrong with one is told in a sentence.

Runs and repeated values cost a file next to nothing, so that a small one can stand for more than memory holds: what a
file declares is weighed before it is read, and texts and images are read some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.files import shortened
from wm_lab.formats.parquet_footer import declared_numbers
from wm_lab.formats.source import need

FEW = 1 << 20
"""Numbers that may be read from any file."""

A_BYTE = 16
"""Numbers that a larger file may hold for each of its bytes; measured files hold less than one."""

MOST_ROWS = 50_000_000
"""Of one file: LeRobot begins another after 100 to 500 MB."""

MOST_TEXT = 100_000_000
"""Characters of one column of sentences."""

BATCH = 16
"""Rows that texts and images are read by."""


class Parquet:
    """Some columns of a file in memory."""

    def __init__(self, path: Path, names: Sequence[str] | None = None) -> None:
        self.path = path
        self._pa = need("pyarrow", "lerobot", f"{path}")
        with _damage(path):
            file = _open(path)
            self.names: list[str] = file.schema_arrow.names
            self.rows: int = file.metadata.num_rows
            wanted = self.names if names is None else [name for name in names if name in self.names]
            _weigh(path, file, wanted)
            self._table = file.read(columns=wanted)

    def whole(self, name: str) -> np.ndarray:
        """[rows] of one number a row, of the whole file."""
        try:
            return self.values(name, 1)[:, 0]
        except Unreadable as error:
            raise UserError(f"{self.path} {error}; copy the dataset again") from None

    def integers(self, name: str) -> np.ndarray:
        """[rows] int64 of the whole file."""
        values = self.whole(name)
        if values.dtype.kind not in "iub" and not (np.isfinite(values).all() and (np.abs(values) < 2**53).all()):
            raise UserError(f"{self.path} holds {name} that are no whole numbers; copy the dataset again")
        if values.dtype.kind == "f" and (values != np.round(values)).any():
            raise UserError(f"{self.path} holds {name} that are no whole numbers; copy the dataset again")
        return values.astype(np.int64)

    def values(self, name: str, size: int, rows: slice = slice(None)) -> np.ndarray:
        """[n, size] of some rows, whether their numbers are kept one by one, in lists, or in lists of lists.

        Unreadable, as the sentence goes on after an episode's name, where one of the rows holds something else.
        """
        types, array = self._pa.types, self._column(name, rows)
        count = len(array)
        row = np.arange(count)  # of the file's, that every element belongs to
        while not types.is_primitive(array.type):
            if isinstance(array, self._pa.ExtensionArray):
                array = array.storage
                continue
            if not (
                types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type)
            ):
                raise Unreadable(f"has {name} of type {shortened(array.type)}, where numbers are expected")
            self._require_no_null(name, array, row)
            row = np.repeat(row, self._pa.compute.list_value_length(array).to_numpy(zero_copy_only=False))
            array = array.flatten()
        self._require_no_null(name, array, row)
        if not (types.is_integer(array.type) or types.is_floating(array.type) or types.is_boolean(array.type)):
            raise Unreadable(f"has {name} of type {shortened(array.type)}, where numbers are expected")
        found = np.bincount(row, minlength=count)
        if (wrong := found != size).any():
            odd = int(wrong.argmax())
            raise Unreadable(
                f"has {found[odd]} numbers of {name} in frame {odd}, where meta/info.json says {size} ({self.path})"
            )
        numbers: np.ndarray = array.to_numpy(zero_copy_only=False).reshape(count, size)
        return numbers

    def _column(self, name: str, rows: slice) -> Any:
        _require_one(self.path, self._table.column_names, name, self.names)
        array = self._table.column(name)[rows]
        return self._pa.concat_arrays(array.chunks) if array.num_chunks else self._pa.array([], array.type)

    def _require_no_null(self, name: str, array: Any, row: np.ndarray) -> None:
        if array.null_count:
            odd = row[int(array.is_null().to_numpy(zero_copy_only=False).argmax())]
            raise Unreadable(f"has no value of {name} in frame {odd} ({self.path})")


def whole_table(path: Path) -> Any:
    """Every column of a file, as pyarrow has them."""
    with _damage(path):
        file = _open(path)
        _weigh(path, file, file.schema_arrow.names)
        return file.read()


def texts(path: Path, name: str) -> list[str]:
    """A column of sentences, or of lists of them, of which the first counts; "" where there is none."""
    known: dict[str, str] = {}  # so that what is repeated is kept once
    found, length = [], 0
    for entry in _entries(path, name):
        first = (entry[0] if entry else "") if isinstance(entry, list) else entry
        text = "" if first is None else str(first)
        found.append(known.setdefault(text, text))
        length += len(text)
        if length > MOST_TEXT:
            raise UserError(f"{path} holds more than {MOST_TEXT:,} characters of {name}, which no recording has")
    return found


class Column:
    """One column that is read forward, a few rows in memory: images that are kept in the table itself."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._next, self._entries = 0, _entries(path, name)

    def read(self, rows: slice) -> Iterator[Any]:
        """The entries of these rows, as Python has them."""
        if rows.start < self._next:
            self._next, self._entries = 0, _entries(self.path, self.name)
        for entry in self._entries:
            self._next += 1
            if self._next > rows.start:
                yield entry
            if self._next >= rows.stop:
                return


def _entries(path: Path, name: str) -> Iterator[Any]:
    with _damage(path):
        file = _open(path)
        _require_one(path, file.schema_arrow.names, name, file.schema_arrow.names)
        _weigh(path, file, [name])
        for batch in file.iter_batches(batch_size=BATCH, columns=[name]):
            yield from batch.column(0).to_pylist()


def _open(path: Path) -> Any:
    return need("pyarrow.parquet", "lerobot", f"{path}").ParquetFile(path)


def _require_one(path: Path, found: Sequence[str], name: str, all_names: Sequence[str]) -> None:
    if (count := found.count(name)) != 1:
        what = "no column" if not count else f"{count} columns called"
        raise UserError(f"{path} has {what} {name!r}; it has {shortened(', '.join(all_names))}")


def _weigh(path: Path, file: Any, names: Sequence[str]) -> None:
    """UserError where a file declares more than its bytes can mean; within `_damage`."""
    rows, size = file.metadata.num_rows, path.stat().st_size
    widths = {field.name: _width(field.type) for field in file.schema_arrow if field.name in names}
    numbers = rows * sum(width for width in widths.values() if width is not None)
    if lists := {name for name, width in widths.items() if width is None}:
        declared = declared_numbers(path)
        numbers += sum(declared[name] for name in lists)
    if rows > MOST_ROWS or max(rows, numbers) > max(FEW, A_BYTE * size):
        raise UserError(
            f"{path} declares {rows:,} rows of {numbers:,} numbers in a file of {size:,} bytes, which no recording "
            "has; it was not read"
        )


def _width(kind: Any) -> int | None:
    """Numbers that a row of this type holds; None where every row decides."""
    types = need("pyarrow", "lerobot", "a column").types
    if types.is_fixed_size_list(kind):
        width = _width(kind.value_type)
        return None if width is None else kind.list_size * width
    return None if types.is_nested(kind) or hasattr(kind, "storage_type") else 1


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    pa = need("pyarrow", "lerobot", f"{path}")
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        first = (str(error).splitlines() or [repr(error)])[0]
        raise UserError(f"{path} is damaged ({shortened(first)}); copy the dataset again") from None
