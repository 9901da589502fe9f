"""A cell of a table as people read it, which remembers what programs read."""

from __future__ import annotations

from collections.abc import Mapping


class TableCell(str):
    """Text such as `0.92 [0.85, 0.96]` with its values, {"": 0.92, "low": 0.85, "high": 0.96}, by the part they are.

    The part "" is what the column is named for. It is a `str`, so a table prints it as it is.
    """

    values: Mapping[str, float | str | None]

    def __new__(cls, text: str, values: Mapping[str, float | str | None] | None = None) -> TableCell:
        cell = super().__new__(cls, text)
        cell.values = values or {}
        return cell
