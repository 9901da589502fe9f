"""One Parquet file in memory, its columns as arrays; whatever is wrong with it is told in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.source import need


class Parquet:
    """A file, or some of its columns. LeRobot keeps files to about 100 MB."""

    def __init__(self, path: Path, names: Sequence[str] | None = None) -> None:
        self._pa = need("pyarrow", "lerobot", f"{path}")
        parquet = need("pyarrow.parquet", "lerobot", f"{path}")
        self.path = path
        self._cache: dict[str, np.ndarray] = {}
        if not path.exists():
            raise UserError(f"{path} is missing; copy the dataset again")
        try:
            self._table = parquet.read_table(path, columns=None if names is None else list(names))
        except (self._pa.ArrowException, OSError) as error:
            first = str(error).splitlines()[0]
            raise UserError(f"{path} is damaged ({first}); copy the dataset again") from None

    @property
    def rows(self) -> int:
        return self._table.num_rows

    @property
    def names(self) -> list[str]:
        return self._table.column_names

    def column(self, name: str, size: int) -> np.ndarray:
        """[rows, size] of numbers, whether they are kept one by one, in lists, or in lists of lists."""
        if name not in self._cache:
            values = self._array(name)
            while hasattr(values, "flatten") and not self._pa.types.is_primitive(values.type):
                values = values.flatten() if self._is_list(values) else values.storage
            flat = np.asarray(values.to_numpy(zero_copy_only=False))
            if flat.size != self.rows * size:
                raise UserError(
                    f"{self.path} holds {flat.size} numbers of {name} in {self.rows} rows, and meta/info.json says "
                    f"{size} in each; copy the dataset again"
                )
            self._cache[name] = flat.reshape(self.rows, size)
        return self._cache[name]

    def strings(self, name: str) -> list[Any]:
        return self._array(name).to_pylist()

    def bytes(self, name: str) -> list[bytes]:
        """Images that are kept in the table itself, as PNG or JPEG."""
        return [entry["bytes"] for entry in self._array(name).to_pylist()]

    def _array(self, name: str) -> Any:
        if name not in self.names:
            raise UserError(f"{self.path} has no column {name!r}; copy the dataset again")
        array = self._table.column(name).combine_chunks()
        return array.chunk(0) if hasattr(array, "chunk") and array.num_chunks == 1 else array

    def _is_list(self, values: Any) -> bool:
        types = self._pa.types
        return types.is_list(values.type) or types.is_fixed_size_list(values.type) or types.is_large_list(values.type)


def numbers(table: Parquet, name: str) -> np.ndarray:
    """[rows] of one number a row."""
    return table.column(name, 1)[:, 0]
