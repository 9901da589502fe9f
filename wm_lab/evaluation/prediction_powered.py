"""A policy's success from a few true episodes and many imagined ones (prediction-powered inference).

Angelopoulos et al. 2023 (arXiv 2301.09633) and PPI++ (arXiv 2311.01453): imagination alone is biased, a few true
episodes say by how much, and the mean of many imagined ones, corrected so, varies less than the few alone:

    estimate = mean(true) + weight * (mean(imagined elsewhere) - mean(imagined of the same episodes))

The weight that varies least is cov(true, imagined) / var(imagined) * M / (M + n), with n true episodes and M imagined
ones elsewhere. It is estimated from n pairs, so it is drawn towards 0 as by `PRIOR` further pairs that do not agree:
imagination that says nothing then changes nothing. The interval is Wilson's for as many true episodes as the estimate
is worth, n / (1 - rho^2 * M / (M + n)), since the papers', of a normal mean, misses rates near 0 and 1 with n = 10.
"""

from __future__ import annotations

import numpy as np

from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.proportions import wilson_bounds

PRIOR = 3.0
"""Pairs that are presumed not to agree, see above."""


def prediction_powered(true: np.ndarray, imagined: np.ndarray, elsewhere: np.ndarray) -> Interval:
    """Success rate from flags: true [n], imagined of the same episodes [n], and imagined of others [M]; n >= 3."""
    y, f, n, m = true.astype(float), imagined.astype(float), len(true), len(elsewhere)
    if n != len(imagined) or n < 3:
        raise ValueError(f"at least 3 true episodes must each be imagined too, found {n} and {len(imagined)}")
    spread = float(np.concatenate([f, elsewhere]).var())
    together = float(((y - y.mean()) * (f - f.mean())).sum())
    rho = squared_correlation(y, f)
    if not (together > 0 and rho > 0 and m):
        return _wilson(float(y.mean()), n, n)
    share = m / (m + n)
    weight = together / (float(((f - f.mean()) ** 2).sum()) + PRIOR * spread) * share
    value = float(np.clip(y.mean() + weight * (elsewhere.mean() - f.mean()), 0, 1))
    return _wilson(value, n / (1 - rho * n / (n + PRIOR) * share), n)


def squared_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Squared correlation of n pairs, less what luck adds to it (Ezekiel's adjustment); 0 where one is constant."""
    x, y = a - a.mean(), b - b.mean()
    spread = float((x**2).sum() * (y**2).sum())
    if not spread > 0:
        return 0.0
    return max(0.0, 1 - (1 - float((x * y).sum()) ** 2 / spread) * (len(a) - 1) / (len(a) - 2))


def _wilson(value: float, worth: float, n: int) -> Interval:
    low, high = wilson_bounds(value, worth)
    return Interval(float(low), value, float(high), n)
