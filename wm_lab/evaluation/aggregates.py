"""Figures that sum up many runs, and the price of asking several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import ArrayLike

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.interval import LEVEL, Interval

TAMED = 0.55
"""Share of the IQM's error that is left to seeds' rates, which are not normal. Found by `scripts/coverage.py`."""


def student(values: ArrayLike, *, level: float = LEVEL) -> Interval:
    """Mean of independent runs [S] with Student's interval; a single run tells nothing of its spread."""
    x = np.asarray(values, float)
    reach = np.inf
    if x.size > 1:
        reach = float(scipy.special.stdtrit(x.size - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(x.size))
    return Interval(float(x.mean()) - reach, float(x.mean()), float(x.mean()) + reach, x.size)


def iqm(scores: ArrayLike) -> float:
    """Interquartile mean: the mean of the middle half of all scores (Agarwal et al. 2021, arXiv:2108.13264)."""
    return float(_middle_half(np.asarray(scores, float).ravel()))


def iqm_interval(scores: ArrayLike, *, level: float = LEVEL) -> Interval:
    """IQM of `scores` [S seeds, K tasks], every task with its own S seeds; n is S * K.

    The variance of what each score does to the IQM, between seeds within tasks, with Student's quantile for as many
    degrees of freedom as Satterthwaite finds in it; of two such influences the one that reaches further. Scores beyond
    the quartiles move the middle half only to them (a trimmed mean's; Tukey and McLaughlin 1963), which says too little
    where the middle half is two or three scores; there it moves like the mean. A bootstrap of two or three seeds holds
    the truth in 57 to 94 of a hundred experiments.
    """
    x = np.asarray(scores, float)
    if x.ndim != 2:
        raise ValueError(f"scores must be [seeds, tasks], found shape {x.shape}")
    value, ranked, cut = iqm(x), np.sort(x.ravel()), x.size // 4
    pulled = x.clip(ranked[cut], ranked[x.size - cut - 1]) * x.size / (x.size - 2 * cut)
    reach = max(_reach(x, level), _reach(pulled, level))
    low, high = value - reach, value + reach
    if x.min() >= 0 and x.max() <= 1:  # rates, and so is their mean
        low, high = max(low, 0.0), min(high, 1.0)
    return Interval(low, value, high, x.size)


def _reach(influence: np.ndarray, level: float) -> float:
    """How far the mean of scores [S, K] may be off, by the spread of seeds within tasks."""
    seeds, tasks = influence.shape
    parts = influence.var(0, ddof=1) / seeds / tasks**2
    whole = parts.sum()
    if not whole > 0:
        return 0.0
    freedom = (seeds + 1) * whole**2 / np.square(parts).sum() - 2  # unbiased, unlike Satterthwaite's own, for few seeds
    return float(-scipy.special.stdtrit(freedom, (1 - level) * TAMED / 2) * np.sqrt(whole))


def iqm_over_episodes(
    scores: Sequence[ArrayLike], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """IQM over the means of one run on each of K tasks, `scores` [E] a task; resamples the episodes of every task.

    What a single training seed can tell: how well this model does, not how well another one would. n is K.
    """
    tasks = [np.asarray(one, float) for one in scores]
    rng = np.random.default_rng(seed)
    resampled = np.stack([resample_counts(len(one), resamples, rng) @ one / len(one) for one in tasks], axis=1)
    low, high = percentile_bounds(_middle_half(resampled), n=min(map(len, tasks)), level=level)
    return Interval(float(low), iqm([one.mean() for one in tasks]), float(high), len(tasks))


def _middle_half(scores: np.ndarray) -> np.ndarray:
    """Mean [...] of the middle half of [..., N]; `scipy.stats.trim_mean`, which takes two seconds to load."""
    cut = scores.shape[-1] // 4
    middle: np.ndarray = np.sort(scores)[..., cut : scores.shape[-1] - cut].mean(-1)
    return middle


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Chance that a run of a [S, K] beats a run of b [S', K] on a task drawn at random; ties count half."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    wins = a[:, None] - b[None]  # [S, S', K]
    return float(((wins > 0) + 0.5 * (wins == 0)).mean())


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p values [K]: reject where they are <= alpha, and any false claim among K stays <= alpha."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    result = np.empty_like(p)
    result[order] = np.minimum(adjusted, 1.0)
    return result
