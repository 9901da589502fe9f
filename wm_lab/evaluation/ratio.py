"""Ratios of sums over trajectories, and their bootstrap: a long trajectory counts for what it holds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.interval import Interval, undefined


class Ratio(NamedTuple):
    """`top` [E] over `bottom` [E], summed over E trajectories before they are divided."""

    top: np.ndarray
    bottom: np.ndarray

    @property
    def value(self) -> float:
        return float(self.top.sum() / self.bottom.sum())

    def resampled(self, resamples: int = RESAMPLES) -> np.ndarray:
        """[R], the same trajectories drawn for every ratio of as many, so that two may be subtracted."""
        counts = resample_counts(len(self.top), resamples, seed=0)
        return (counts @ self.top) / np.maximum(counts @ self.bottom, np.finfo(float).tiny)

    def interval(self, resamples: int = RESAMPLES) -> Interval:
        if not self.bottom.sum() > 0:
            return undefined(len(self.top))
        return around(self.value, self.resampled(resamples), len(self.top))


def per_trajectory(values: np.ndarray, trajectory: np.ndarray) -> np.ndarray:
    """Sums [E] of `values` [M] over the rows of each of the trajectories 0..E-1."""
    return np.bincount(trajectory, weights=values, minlength=int(trajectory.max()) + 1)


def around(value: float, resampled: np.ndarray, n: int) -> Interval:
    """An estimate between the percentiles of its resamples [R]."""
    low, high = percentile_bounds(resampled, n=n)
    return Interval(float(low), float(value), float(high), n)
