"""Means over independent units (episodes, trajectories), however skewed, and whatever is nearly a mean of them.

A percentile bootstrap and Student's interval miss the mean of skewed errors and returns in 7 to 10 % of experiments.
Hall's transformation of Student's statistic (1992, Journal of the Royal Statistical Society B 54:221) takes the
skewness that it sees out of it: no resampling, so the same numbers always give the same interval.
Shapes: E units, each with any trailing [...].
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike

from wm_lab.evaluation.interval import LEVEL, Interval, undefined

WARY = 0.5
"""By how much further an interval reaches for each unit of the statistic's skewness: where a few draws decide, worse
ones may not have been seen at all. Found by `scripts/coverage.py`."""

STRAIGHT = 1e-6
"""Skewness below which there is nothing to take out."""


def mean(values: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Mean of `values` [E], one number a unit. NaN marks a unit that has none, and leaves n smaller."""
    x = np.asarray(values, float).ravel()
    x = x[~np.isnan(x)]
    if x.size == 0:
        return undefined()
    return around(x.mean(), x, level=level)


def paired_difference(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Mean of a - b over the same units [E]; of success flags see `over_seeds`."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        raise ValueError(f"paired samples need the same episodes, found shapes {a.shape} and {b.shape}")
    return mean(a - b, level=level)


def around(value: float, influence: np.ndarray, *, level: float = LEVEL) -> Interval:
    """An estimate that moves by `influence` [E] / E with each unit, up to a constant: a mean is its own."""
    low, high = skewed_bounds(np.asarray(value, float), influence, level=level)
    return Interval(float(low), float(value), float(high), len(influence))


def skewed_bounds(value: np.ndarray, influence: np.ndarray, *, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [...] of estimates [...] by their `influence` [E, ...]; see `around`. Infinite for a single unit."""
    n = len(influence)
    if n < 2:
        return value - np.inf, value + np.inf
    error, skew = _error(influence)
    t = scipy.special.stdtrit(n - 1, (1 + level) / 2) * _wary(skew)
    low, high = value - error * _straight(t, skew), value - error * _straight(-t, skew)
    return np.minimum(low, value), np.maximum(high, value)


def p_of_zero(values: np.ndarray) -> float:
    """Two-sided p that the mean of values [E] is zero: the share of error at which `mean` ends at it."""
    n = len(values)
    if n < 2:
        return 1.0
    error, skew = _error(values)
    if not error > 0:
        return float(values.mean() == 0)
    t, k = values.mean() / error, float(skew)
    straight = t if abs(k) <= STRAIGHT else ((1 + k * t / 3) ** 3 - 1) / k + k / 6
    return float(2 * scipy.special.stdtr(n - 1, -abs(straight) / _wary(skew)))


def _wary(skew: np.ndarray) -> np.ndarray:
    further: np.ndarray = 1 + WARY * np.abs(skew)
    return further


def _error(influence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard error [...] of what has this `influence` [E, ...], and the skewness of its Student's statistic."""
    n = len(influence)
    apart = influence - influence.mean(0)
    spread, cube = np.asarray(apart.std(0)), np.asarray((apart**3).mean(0))
    skew = np.divide(cube, spread**3, out=np.zeros_like(cube), where=spread > 0)
    return spread / np.sqrt(n - 1), skew / np.sqrt(n)


def _straight(x: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """What Student's statistic is where its straightened form is x: g^-1 of Hall 1992, (2.2)."""
    k = np.where(np.abs(skew) > STRAIGHT, skew, 1.0)
    return np.where(np.abs(skew) > STRAIGHT, 3 / k * (np.cbrt(1 + k * (x - k / 6)) - 1), x)
