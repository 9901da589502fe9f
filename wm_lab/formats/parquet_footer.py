"""How many numbers a Parquet file declares of its columns, from its footer.

pyarrow would tell, but where the footer is damaged it ends the whole process rather than raise. A footer is written in
Thrift's compact protocol; the way is FileMetaData.row_groups (4), RowGroup.columns (1), ColumnChunk.meta_data (3), and
there path_in_schema (3) and num_values (5).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

ROW_GROUPS, COLUMNS, FACTS, PATH, VALUES = 4, 1, 3, 3, 5
TRUE, FALSE, BYTE, DOUBLE, TEXT, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
DEEPEST = 20


def declared_numbers(path: Path) -> Counter[str]:
    """{name of a whole column: numbers in all its parts}; ValueError where the footer is damaged."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - 8 - length, 0))
        footer = file.read(length)
    found: Counter[str] = Counter()
    try:
        for group in _Reader(footer).struct(0)[ROW_GROUPS]:
            for column in group[COLUMNS]:
                facts = column[FACTS]
                found[facts[PATH][0].decode()] += facts[VALUES]
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"its footer is no footer: {error!r}") from None
    return found


class _Reader:
    """Values of the compact protocol, one after another; structs as {field: value}."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > DEEPEST:
            raise ValueError("its footer is nested too deep")
        fields: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            fields[field] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._take(8)
        if kind == TEXT:
            return self._take(self._varint())
        if kind in (LIST, SET):
            return self._list(depth + 1)
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind == MAP or kind > STRUCT:
            raise ValueError("its footer holds a map, which no footer does")
        return self._zigzag()  # whole numbers of 16, 32 and 64 bits

    def _list(self, depth: int) -> list[Any]:
        if depth > DEEPEST:
            raise ValueError("its footer is nested too deep")
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self._content):
            raise ValueError("its footer holds a list longer than itself")
        kind = head & 15
        if kind in (TRUE, FALSE):  # in lists a byte each
            return [self._byte() for _ in range(count)]
        return [self._value(kind, depth) for _ in range(count)]

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("its footer holds a number without end")

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _take(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._content):
            raise IndexError("it ends too early")
        return self._content[self._at - count : self._at]
