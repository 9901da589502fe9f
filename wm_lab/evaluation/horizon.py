"""The step up to which something holds, with its uncertainty and its censoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wm_lab.evaluation.bootstrap import percentile_bounds, tail_probability
from wm_lab.evaluation.table_cell import TableCell


class Horizon(NamedTuple):
    """Steps up to which a condition holds, 0 to `limit`; at the limit it is censored and prints as `>20`."""

    low: int
    value: int  # on the sample itself
    high: int
    significant: int  # last step up to which the condition's 95 % bound holds, as `low`; what a claim may rest on
    limit: int
    n: int  # episodes

    def bounds(self) -> TableCell:
        """`12 [9, >20]`; just `>20` where every resample outlasts the data."""
        low, value, high = (self._step(step) for step in (self.low, self.value, self.high))
        values = {"": self.value, "low": self.low, "high": self.high, "limit": self.limit}
        return TableCell(low if self.low >= self.limit else f"{value} [{low}, {high}]", values)

    def __str__(self) -> str:
        return f"{self.bounds()} (n={self.n})"

    def claim(self) -> str:
        """The steps up to which it holds significantly: `12`, or `20+` where the data end first."""
        return f"{self.significant}+" if self.significant >= self.limit else str(self.significant)

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()

    def _step(self, step: int) -> str:
        return f">{self.limit}" if step >= self.limit else str(step)


def find_horizon(
    point: np.ndarray,
    resampled: np.ndarray,
    *,
    above: float | None = None,
    at_least: float | None = None,
    n: int,
    unbroken: bool = True,
) -> Horizon:
    """The last step up to which a statistic [H] is `above` (or `at_least`) a bar, by its resamples [R, H].

    With `unbroken` it must hold at every step before: steps are asked one after the other, and the first that fails
    ends it, so that no correction for their number is needed. Otherwise the last step at which it holds counts (the
    effect of an action may take some steps to show): any of H may seem to be it, so the lower band holds for all of
    them at once. The upper one need not: it must only pass at the last step itself.
    """
    if (above is None) == (at_least is None):
        raise ValueError("give one of above and at_least")

    def holds(statistic: np.ndarray) -> np.ndarray:
        return statistic > above if above is not None else statistic >= at_least

    last = _leading_run if unbroken else _last_true
    least, most = percentile_bounds(resampled, n=n)
    if not unbroken:
        least = joint_bound(resampled, n=n)
    low, value, high = (int(last(holds(values))) for values in (least, point, most))
    low = min(low, value)
    return Horizon(low, value, max(high, value), low, point.shape[-1], n)


def shortest(conditions: Sequence[Horizon]) -> Horizon:
    """The steps up to which several conditions hold together.

    Each is asked at the level of one: to be wrong, the one that fails first must be misjudged (Berger 1982,
    Technometrics 24:295). Resamples of the least of several means would all lie too low.
    """
    low, value, high, sure, limit, n = (min(figures) for figures in zip(*conditions, strict=True))
    return Horizon(low, value, high, sure, limit, n)


def joint_bound(resampled: np.ndarray, *, n: int) -> np.ndarray:
    """Lower bounds [H] that hold at all steps at once, each at the same percentile of its resamples [R, H]

    (balanced, Beran 1988, Journal of the American Statistical Association 83:679): the percentile that as few resamples
    fall below at any step as fall below a single bound at one.
    """
    rank = (np.argsort(np.argsort(resampled, axis=0, kind="stable"), axis=0, kind="stable") + 0.5) / len(resampled)
    low = np.quantile(rank.min(1), tail_probability(n), method="lower")
    return np.asarray(np.quantile(resampled, low, axis=0))


def _leading_run(flags: np.ndarray) -> np.ndarray:
    """How many leading steps are all true, over the last axis."""
    length: np.ndarray = np.logical_and.accumulate(flags, axis=-1).sum(-1)
    return length


def _last_true(flags: np.ndarray) -> np.ndarray:
    """The last true step counted from 1, over the last axis; 0 where none is."""
    steps = flags.shape[-1]
    return np.where(flags.any(-1), steps - np.argmax(flags[..., ::-1], axis=-1), 0)
