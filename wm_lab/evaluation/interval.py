"""An estimate that never travels without its uncertainty."""

from __future__ import annotations

from math import floor, inf, isfinite, log10
from typing import Any, NamedTuple

from wm_lab.evaluation.table_cell import TableCell

LEVEL = 0.95
"""Confidence level of every interval in the lab unless a caller says otherwise."""


ROUNDING = 1e-6
"""Share of a value below which the width of its interval is a computer's rounding."""

MOST_DECIMALS, LARGEST, DIGITS = 7, 1e9, 7
"""Beyond so many decimals, and from such a size on, numbers are written with a power of ten and so many digits at most:
a reward may be 1e-40 or -1e20."""


class Interval(NamedTuple):
    """A value between its confidence bounds, from n independent units (episodes, unless the maker says seeds)."""

    low: float
    value: float
    high: float
    n: int

    @property
    def positive(self) -> bool:
        """The whole interval lies above zero."""
        return self.low > 0

    @property
    def negative(self) -> bool:
        """The whole interval lies below zero."""
        return self.high < 0

    def within(self, margin: float) -> bool:
        """The whole interval lies inside [-margin, margin]."""
        return -margin <= self.low and self.high <= margin

    def turned(self) -> Interval:
        """The same of the difference the other way round."""
        return Interval(-self.high, -self.value, -self.low, self.n)

    def bounds(self, decimals: int | None = None) -> TableCell:
        """`0.92 [0.85, 0.96]`, with so many decimals, or as many as the width of the interval deserves."""
        if not isfinite(self.value):
            return TableCell("–", {"": None, "low": None, "high": None})
        form = self._form(self._decimals() if decimals is None else decimals)
        text = f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"
        return TableCell(text, {"": self.value, "low": self.low, "high": self.high})

    def __str__(self) -> str:
        return f"{self.bounds()} (n={self.n})"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not finite becomes None, for JSON has no word for it."""
        return {k: v if isfinite(v) else None for k, v in self._asdict().items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Interval:
        """Inverse of `to_dict`."""
        low, value, high = (float("nan") if values[k] is None else values[k] for k in ("low", "value", "high"))
        return cls(low, value, high, values["n"])

    def _form(self, decimals: int) -> str:
        """How its three numbers are written."""
        ends = [abs(end) for end in (self.low, self.value, self.high) if isfinite(end)]
        if decimals <= MOST_DECIMALS and max(ends) < LARGEST:
            return f"z.{decimals}f"
        width = self.high - self.low
        apart = DIGITS if not 0 < width < inf else floor(log10(max(ends))) - floor(log10(width)) + 1
        return f".{min(max(apart, 1), DIGITS)}g"

    def _decimals(self) -> int:
        width = self.high - self.low
        if not isfinite(width) or width <= ROUNDING * abs(self.value):
            return 2
        if width < 1:
            return max(2, -floor(log10(width)))
        return 1 if width < 10 else 0


def undefined(n: int = 0) -> Interval:
    """What is said where there is nothing to estimate from."""
    nan = float("nan")
    return Interval(nan, nan, nan, n)
