"""Success rates: one rate, the difference of two on the same episodes, and whether that difference is real.

A bootstrap of 100 successes out of 100 has no width. These intervals keep theirs: they invert a score test.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from wm_lab.evaluation.interval import Interval, undefined

Z = 1.959963984540054  # the standard normal at (1 + LEVEL) / 2
"""Deviations to either side that a standard normal number exceeds in 5 %."""

BISECTIONS = 50
"""Halvings of [-1, 1]: 2e-15 of a proportion."""


class Discordance(NamedTuple):
    """How two arms disagree over the same episodes. Counts may be fractions when they are means over seeds."""

    only_a: float  # episodes that only arm a solved
    only_b: float  # episodes that only arm b solved
    n: int


def wilson(successes: float, n: int) -> Interval:
    """Wilson's score interval for a rate of `successes` out of n episodes (Wilson 1927)."""
    if n == 0:
        return undefined()
    low, high = wilson_bounds(successes / n, n)
    return Interval(float(low), successes / n, float(high), n)


def wilson_bounds(rate: ArrayLike, n: ArrayLike, reach: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of `wilson` for arrays of rates, of n (not necessarily whole) and of deviations to reach (1.96)."""
    p, n, z = np.asarray(rate, float), np.asarray(n, float), np.asarray(Z if reach is None else reach)
    heavy = z**2 / np.maximum(n, np.finfo(float).tiny)
    centre = (p + heavy / 2) / (1 + heavy)
    half = np.sqrt(heavy * p * (1 - p) + heavy**2 / 4) / (1 + heavy)
    # Rounding must not push a bound past the estimate at 0 of n and n of n.
    return np.minimum(np.maximum(centre - half, 0.0), p), np.maximum(np.minimum(centre + half, 1.0), p)


def tango_bounds(
    only_a: ArrayLike, only_b: ArrayLike, n: ArrayLike, *, continuity: bool = True, reach: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Score interval for paired differences of proportions (Tango 1998, Statistics in Medicine 17:891).

    The continuity correction, of half a pair, makes the interval agree with the test: whenever it excludes zero,
    `mcnemar` is below 1 - LEVEL. Uncorrected, it claims too often; corrected by a whole pair, too seldom.

    only_a, only_b: numbers [...] of the n pairs in which one arm alone succeeded, not necessarily whole
    reach: deviations of the score to go (1.96)
    """
    a, b = np.asarray(only_a, float), np.asarray(only_b, float)
    pairs = np.maximum(np.asarray(n, float), np.finfo(float).tiny)
    z = np.asarray(Z if reach is None else reach)
    slack = 0.5 if continuity else 0.0
    # By symmetry the upper bound is the mirrored lower bound of the swapped arms.
    return _tango_low(a, b, pairs, slack, z), -_tango_low(b, a, pairs, slack, z)


def mcnemar(pairs: Discordance) -> float:
    """Two-sided mid-p that both arms are equally good: a fair coin for each episode only one of them solved.

    What came of it counts half, without which the test would claim too seldom (Fagerland et al. 2013, BMC Medical
    Research Methodology 13:91).
    """
    tosses, fewer = int(pairs.only_a + pairs.only_b), min(pairs.only_a, pairs.only_b)
    if tosses == 0:
        return 1.0
    exactly = scipy.special.bdtr(fewer, tosses, 0.5) - (scipy.special.bdtr(fewer - 1, tosses, 0.5) if fewer else 0.0)
    return float(min(1.0, 2 * scipy.special.bdtr(fewer, tosses, 0.5) - exactly))


def _tango_low(a: np.ndarray, b: np.ndarray, n: np.ndarray, slack: float, z: np.ndarray) -> np.ndarray:
    """The smallest difference that the score test, whose statistic falls as the difference grows, does not reject."""
    if a.ndim == b.ndim == n.ndim == z.ndim == 0:
        return np.asarray(_one_low(float(a), float(b), float(n), slack, float(z)))
    return _bisected(a, b, n, slack, z)


@lru_cache(4096)  # the cells of a sweep compare the same arms
def _one_low(a: float, b: float, n: float, slack: float, z: float) -> float:
    return float(_bisected(np.asarray(a), np.asarray(b), np.asarray(n), slack, np.asarray(z)))


def _bisected(a: np.ndarray, b: np.ndarray, n: np.ndarray, slack: float, z: np.ndarray) -> np.ndarray:
    high = (a - b) / n
    low = np.full(high.shape, -1.0)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        rejected = a - b - n * middle - slack > z * _score_deviation(a, b, n, middle)
        low, high = np.where(rejected, middle, low), np.where(rejected, high, middle)
    root: np.ndarray = (low + high) / 2
    return root


def _score_deviation(a: np.ndarray, b: np.ndarray, n: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Standard deviation of only_a - only_b if the true difference were delta (Tango's constrained likelihood)."""
    linear = -a - b + (2 * n - a + b) * delta
    constant = -b * delta * (1 - delta)
    only_b = (np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0)) - linear) / (4 * n)
    root: np.ndarray = np.sqrt(np.maximum(n * (2 * only_b + delta * (1 - delta)), 0))
    return root
