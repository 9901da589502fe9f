"""What an arm did over training seeds and episodes, and what one arm did more than another: with their intervals.

Every table's interval over played episodes is made here. Shapes: S training seeds, E episodes of one manifest, which
every seed played in the same order.

    over_seeds(values [S, E])           success flags (bool): a rate; numbers (float, NaN where there is none): a mean
    paired_over_seeds(a [S, E], b)      mean of a - b, b [S, E] of as many seeds, paired by index, or [1, E] of an arm
                                        without training seeds (expert, simulator), which then meets every seed of a

With S = 1 an interval is over episodes alone: it speaks of this training, not of the method. `n` is always E.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from wm_lab.evaluation import proportions
from wm_lab.evaluation.bootstrap import bootstrap_mean
from wm_lab.evaluation.interval import LEVEL, Interval
from wm_lab.evaluation.statistics import crossed_mean, student

SINGLE = 5
"""Decimals that a sum of rewards in single precision is good for."""


def over_seeds(values: ArrayLike) -> Interval:
    """Success rate of flags [S, E], or mean of numbers [S, E]; see the head of this file."""
    x = np.atleast_2d(np.asarray(values))
    return _rate(x) if x.dtype == bool else _mean(x.astype(float))


def paired_over_seeds(a: ArrayLike, b: ArrayLike) -> Interval:
    """Mean of a - b over the same episodes, of flags or of numbers; see the head of this file."""
    return paired_test(a, b)[0]


def paired_test(a: ArrayLike, b: ArrayLike) -> tuple[Interval, float]:
    """`paired_over_seeds`, and the p value that there is no difference."""
    mine, theirs = paired(a, b)
    if mine.dtype == bool and theirs.dtype == bool:
        return _paired_flags(mine, theirs)
    gaps = mine.astype(float) - theirs
    return _mean(gaps), _p_of_mean(gaps)


def paired(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both [S, E]; ValueError where neither has one seed and they have not equally many."""
    mine, theirs = (np.atleast_2d(np.asarray(values)) for values in (a, b))
    if mine.shape[1] != theirs.shape[1]:
        raise ValueError(f"paired samples need the same episodes, found shapes {mine.shape} and {theirs.shape}")
    if 1 not in (len(mine), len(theirs)) and len(mine) != len(theirs):
        raise ValueError(f"arms of {len(mine)} and {len(theirs)} training seeds cannot be paired")
    mine, theirs = np.broadcast_arrays(mine, theirs)
    return mine, theirs


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Mean over training seeds [S, E] -> [E] of the values there are; NaN where no seed has one."""
    known = ~np.isnan(values)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def _mean(values: np.ndarray) -> Interval:
    """Over training seeds and episodes; where an episode has no number, over the episodes that have."""
    if len(values) == 1 or np.isnan(values).any():
        return bootstrap_mean(mean_of_known(values))
    return crossed_mean(values)._replace(n=values.shape[1])


def _p_of_mean(values: np.ndarray) -> float:
    """Two-sided p that the mean of [S, E] is zero: Student's t over the episodes of one seed, over seeds for more."""
    spread = student(values[0].round(SINGLE)) if len(values) == 1 else crossed_mean(values)
    reach, freedom = (spread.high - spread.low) / 2, spread.n - 1
    if not reach:
        return float(spread.value == 0)
    t = abs(spread.value) / reach * special.stdtrit(freedom, (1 + LEVEL) / 2)
    return float(2 * special.stdtr(freedom, -t))


def _rate(flags: np.ndarray) -> Interval:
    """Wilson for one seed; seeds and episodes together, never narrower, for more."""
    seeds, episodes = flags.shape
    by_episode = proportions.wilson(float(flags.sum() / seeds), episodes)
    return by_episode if seeds == 1 else _wider(crossed_mean(flags), by_episode, floor=0.0)


def _paired_flags(a: np.ndarray, b: np.ndarray) -> tuple[Interval, float]:
    """Difference of success flags [S, E] with its p value."""
    seeds, episodes = a.shape
    only_a, only_b = float((a & ~b).sum() / seeds), float((b & ~a).sum() / seeds)
    by_episode = proportions.tango(proportions.Discordance(only_a, only_b, episodes))
    p = proportions.mcnemar_exact(proportions.Discordance(round(only_a), round(only_b), episodes))
    if seeds == 1:
        return by_episode, p
    by_seed = crossed_mean(a.astype(float) - b)
    reach = (by_seed.high - by_seed.low) / 2
    t = abs(by_seed.value) / reach * special.stdtrit(seeds - 1, (1 + LEVEL) / 2) if reach else np.inf
    return _wider(by_seed, by_episode, floor=-1.0), max(p, float(2 * special.stdtr(seeds - 1, -t)))


def _wider(by_seed: Interval, by_episode: Interval, floor: float) -> Interval:
    """Both intervals' reach, inside [floor, 1]: seeds that happen to agree must not hide that episodes are few."""
    low, high = min(by_seed.low, by_episode.low), max(by_seed.high, by_episode.high)
    return Interval(max(low, floor), by_seed.value, min(high, 1.0), by_episode.n)
