"""Ratios of sums over trajectories, and their bootstrap: a long trajectory counts for what it holds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.interval import LEVEL, Interval, undefined

TINY = np.finfo(float).tiny

ENOUGH = 10
"""Units from which on resampled standard errors are worth dividing by."""

WILDEST = 2.0
"""How many times as far as Student's interval a bootstrap-t may reach."""


class Ratio(NamedTuple):
    """`top` [E] over `bottom` [E], summed over E trajectories before they are divided."""

    top: np.ndarray
    bottom: np.ndarray

    @property
    def value(self) -> float:
        return float(self.top.sum() / self.bottom.sum())

    def interval(self, resamples: int = RESAMPLES, stretch: float = 1.0) -> Interval:
        """Undefined where `bottom` is zero: of what never varies there is no share."""
        if not self.bottom.sum() > 0:
            return undefined(len(self.top))
        counts = resample_counts(len(self.top), resamples, seed=0)
        low, high = ratio_bounds(self.top[:, None], self.bottom[:, None], counts, stretch)
        return Interval(float(low[0]), self.value, float(high[0]), len(self.top))

    def signed(self, resamples: int = RESAMPLES) -> Interval:
        """Of a mean that may be negative, and so has no logarithm: percentiles alone."""
        return around(self.value, self.resampled(resamples), len(self.top))

    def resampled(self, resamples: int = RESAMPLES) -> np.ndarray:
        """[R], the same trajectories drawn for every ratio of as many, so that two may be subtracted."""
        counts = resample_counts(len(self.top), resamples, seed=0)
        ratios: np.ndarray = (counts @ self.top) / np.maximum(counts @ self.bottom, TINY)
        return ratios

    def influence(self) -> np.ndarray:
        """What each trajectory does to the ratio [E], to first order."""
        influence: np.ndarray = (self.top - self.value * self.bottom) / self.bottom.sum()
        return influence

    def error(self) -> float:
        """Standard error of the logarithm, by the ratio's linear part."""
        return float(np.sqrt(np.square(self.influence()).sum())) / self.value if self.value > 0 else 0.0


def ratio_bounds(
    top: np.ndarray, bottom: np.ndarray, counts: np.ndarray, stretch: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds [H] of sums of `top` [E, H] over sums of `bottom` [E, H], resampled by `counts` [R, E].

    The hull of two bootstraps: percentiles of the ratio, which miss where a few units decide, and the logarithm's
    distance in its own standard errors (bootstrap-t; of few units Student's, for their resamples repeat one another).
    stretch: how many times
    further from the estimate, on the scale of logarithms, to reach (what no resampling of errors sees).
    """
    n = len(top)
    above, below = (counts @ values for values in (top, bottom))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value, ratio = np.log(top.sum(0) / bottom.sum(0)), above / np.maximum(below, TINY)
        both, each = counts @ (top * bottom), counts @ np.square(bottom)
        square = counts @ np.square(top) - 2 * ratio * both + ratio**2 * each
        error = np.sqrt(np.maximum(square, 0)) / np.maximum(above, TINY)
        own = np.sqrt(np.square(top / top.sum(0) - bottom / bottom.sum(0)).sum(0))
        moved = np.where(error > 0, (np.log(ratio) - value) / error, 0.0)
        percent = np.log(percentile_bounds(ratio, n=n)) - value
        symmetric = (
            -scipy.special.stdtrit(n - 1, (1 - LEVEL) / 2) * own * np.sqrt(n / (n - 1)) if n > 1 else np.inf * own
        )
        student = np.stack([-symmetric, symmetric])
        if n >= ENOUGH:
            quantiles = np.quantile(np.nan_to_num(moved), [(1 + LEVEL) / 2, (1 - LEVEL) / 2], axis=0)
            student = np.clip(-own * quantiles, -WILDEST * symmetric, WILDEST * symmetric)
        low = value + stretch * np.minimum(np.fmin(percent[0], student[0]), 0)
        high = value + stretch * np.maximum(np.fmax(percent[1], student[1]), 0)
        return np.exp(low), np.exp(high)


def per_trajectory(values: np.ndarray, trajectory: np.ndarray) -> np.ndarray:
    """Sums [E] of `values` [M] over the rows of each of the trajectories 0..E-1."""
    return np.bincount(trajectory, weights=values, minlength=int(trajectory.max()) + 1)


def around(value: float, resampled: np.ndarray, n: int) -> Interval:
    """An estimate between the percentiles of its resamples [R]."""
    low, high = percentile_bounds(resampled, n=n)
    return Interval(float(low), float(value), float(high), n)
