"""Bootstrap intervals over episodes, of what is neither a mean nor nearly one.

Every function takes its seed, so a table printed twice says the same. Percentile intervals are widened for small
samples ("expanded percentile", Hesterberg 2015, arXiv:1411.5279, section 5.3): plain ones cover 90 % at n=10, not 95.
"""

from __future__ import annotations

import numpy as np
import scipy

from wm_lab.evaluation.interval import LEVEL

RESAMPLES = 2000


def resample_counts(n: int, resamples: int, seed: int | np.random.Generator) -> np.ndarray:
    """How often each of n units is drawn in each resample: [R, n] float, rows summing to n.

    Counts in place of indices turn every resampled sum into one matrix product.
    """
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    rows = np.arange(resamples)[:, None] * n
    return np.bincount((drawn + rows).ravel(), minlength=resamples * n).reshape(resamples, n).astype(float)


def percentile_bounds(resampled: np.ndarray, *, n: int, strata: int = 1, level: float = LEVEL) -> np.ndarray:
    """Lower and upper bounds [2, ...] of statistics [R, ...] resampled from n units in each of the strata."""
    tail = tail_probability(n, strata, level)
    bounds: np.ndarray = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return bounds


def tail_probability(n: int, strata: int = 1, level: float = LEVEL) -> float:
    """The percentile at which a bootstrap of n units a stratum must be cut to hold `level`, as t would."""
    if n < 2:
        return 0.0
    reach = scipy.special.stdtrit(strata * (n - 1), (1 + level) / 2) * np.sqrt(n / (n - 1))
    return float(scipy.special.ndtr(-reach))
