"""What an arm did over training seeds and episodes, and what one arm did more than another: with their intervals.

Every table's interval over played episodes is made here. Shapes: S training seeds, E episodes of one manifest, which
every seed played in the same order.

    over_seeds(values [S, E])           success flags (bool): a rate; numbers (float, NaN where there is none): a mean
    paired_test(a [S, E], b)            mean of a - b, b [S, E] of as many seeds, paired by index, or [1, E] of an arm
                                        without training seeds (expert, simulator), which then meets every seed of a

With S = 1 an interval is over episodes alone: it speaks of this training, not of the method. `n` is always E.
`scripts/coverage.py` simulates how often these intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike

from wm_lab.evaluation.crossed import Crossed
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.means import mean, p_of_zero, skewed_bounds
from wm_lab.evaluation.proportions import Discordance, mcnemar, tango_bounds, wilson_bounds

Bounds = tuple[np.ndarray, np.ndarray]

FEW = 5
"""Failures (or successes, or episodes that only one arm solved), below which the seeds' spread says too little."""

PRIOR = 2.0
"""Episodes that are presumed to go alike with every seed: of a hundred successes in a hundred, five times over, nobody
knows whether they are five hundred."""

MANY = 1e9
"""Trials that are as good as any number."""

LEAST, LEAST_OF_FEW = 1.2815515655446004, 1.959963984540054  # the standard normal at 0.9 and 0.975
"""Deviations of the coins' own luck that an interval reaches at least, however well a few seeds agree."""

SINGLE = 5
"""Decimals that a sum of rewards in single precision is good for."""


def over_seeds(values: ArrayLike) -> Interval:
    """Success rate of flags [S, E], or mean of numbers [S, E]; see the head of this file."""
    x = np.atleast_2d(np.asarray(values))
    if x.dtype == bool:
        return _interval(x.mean(), rate_bounds(x), x.shape[1])
    return _mean(x.astype(float))


def paired_test(a: ArrayLike, b: ArrayLike) -> tuple[Interval, float]:
    """Mean of a - b over the same episodes, and p that there is none: the share of error at which it ends at zero.

    See the head of this file.
    """
    mine, theirs = paired(a, b)
    if mine.dtype == bool:
        value = mine.mean() - theirs.mean()
        return _interval(value, difference_bounds(mine, theirs), mine.shape[1]), _p_of_flags(mine, theirs)
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


def rate_bounds(flags: np.ndarray) -> Bounds:
    """Of the success rate of flags [..., S, E]: Wilson's, for as many independent episodes as chance left of S * E.

    As many as would vary like what was seen, among seeds and among episodes, and cut as Student would with so few
    seeds; never narrower than the episodes' own luck allows.
    """
    *_, seeds, episodes = flags.shape
    rate = flags.mean((-2, -1))
    if seeds == 1 or episodes == 1:
        return wilson_bounds(rate, episodes)
    some = rate * (1 - rate)
    return _widest(
        lambda n, reach: wilson_bounds(rate, n, reach),
        Crossed.of(flags),
        some,
        np.minimum(rate, 1 - rate) * seeds * episodes,
    )


def difference_bounds(a: np.ndarray, b: np.ndarray) -> Bounds:
    """Of the rate of a minus that of b, flags [..., S, E] each: Tango's, for as many pairs as chance left of S * E."""
    *_, seeds, episodes = a.shape
    only_a, only_b = (a & ~b).mean((-2, -1)), (b & ~a).mean((-2, -1))
    if seeds == 1 or episodes == 1:
        return tango_bounds(only_a * episodes, only_b * episodes, episodes)
    some = only_a + only_b - (only_a - only_b) ** 2
    return _widest(
        lambda n, reach: tango_bounds(only_a * n, only_b * n, n, continuity=False, reach=reach),
        Crossed.of(a.astype(float) - b),
        some,
        (only_a + only_b) * seeds * episodes,
    )


def mean_bounds(values: np.ndarray) -> Bounds:
    """Of the mean of numbers [..., S, E]."""
    if values.shape[-2] == 1:
        return skewed_bounds(values.mean((-2, -1)), np.moveaxis(values[..., 0, :], -1, 0))
    found = Crossed.of(values)
    reach = found.quantile() * np.sqrt(found.variance)
    return found.mean - reach, found.mean + reach


def _widest(
    bounds: Callable[[np.ndarray, np.ndarray], Bounds], found: Crossed, some: np.ndarray, count: np.ndarray
) -> Bounds:
    """The bounds by the spread of seeds and episodes, or by the luck of coins where those reach further."""
    whole = bounds(_worth(found.variance, some), found.quantile(bounded=True) * (some > 0))
    alone = bounds(*_coins(found, some, count))
    return np.minimum(whole[0], alone[0]), np.maximum(whole[1], alone[1])


def _worth(variance: np.ndarray, some: np.ndarray) -> np.ndarray:
    """How many independent trials, each of variance `some`, would vary as much as was seen.

    Any number where all episodes went alike, so that none varies: what could have been otherwise is the luck of coins.
    """
    trials: np.ndarray = np.divide(
        some, np.maximum(variance, some / MANY), out=np.full_like(some, MANY), where=some > 0
    )
    return trials


def _coins(found: Crossed, some: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many independent trials S * E are where seeds are alike, by `count` rare ones; and how far luck reaches."""
    of_trials = found.of_episodes * found.episodes
    alike = np.clip(np.divide(of_trials, some, out=np.ones_like(of_trials), where=some > 0), 0, 1)
    alike = (count * alike + PRIOR) / (count + PRIOR)
    n = found.seeds * found.episodes / (1 + (found.seeds - 1) * alike)
    return n, np.where(count < FEW, LEAST_OF_FEW, LEAST)


def _p_of_flags(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p that two arms with flags [S, E] succeed equally often; for one seed McNemar's."""
    seeds, episodes = a.shape
    only_a, only_b = float((a & ~b).mean()), float((b & ~a).mean())
    if seeds == 1 or episodes == 1:
        return mcnemar(Discordance(round(only_a * episodes), round(only_b * episodes), episodes))
    if only_a == only_b:
        return 1.0
    found, pairs = Crossed.of(a.astype(float) - b), only_a + only_b
    some, count = np.asarray(pairs - (only_a - only_b) ** 2), np.asarray(pairs * seeds * episodes)
    score = abs(only_a - only_b) / np.sqrt(pairs)
    n, least = _coins(found, some, count)
    coins = 2 * scipy.special.ndtr(-score * np.sqrt(n) * LEAST_OF_FEW / least)
    return max(found.missed(score * np.sqrt(_worth(found.variance, some)), bounded=True), float(coins))


def _p_of_mean(values: np.ndarray) -> float:
    """Two-sided p that the mean of numbers [S, E] is zero."""
    rounded = values.round(SINGLE)
    if not rounded.any():
        return 1.0
    if len(rounded) == 1 or rounded.shape[1] == 1:
        return p_of_zero(rounded.ravel())
    found = Crossed.of(rounded)
    return found.missed(abs(found.mean) / np.sqrt(found.variance)) if found.variance else 0.0


def _mean(values: np.ndarray) -> Interval:
    """Over training seeds and episodes; where some have no number, over those that have."""
    known = ~np.isnan(values)
    episodes = int(known.any(0).sum())
    if len(values) == 1 or episodes < 2:
        return mean(values[known])._replace(n=episodes)
    if known.all():
        return _interval(values.mean(), mean_bounds(values), episodes)
    # A ratio of two sums, what there is over how much there is, varies as its linear part does.
    value = values[known].mean()
    part = np.where(known, values - value, 0.0) / known.mean()
    low, high = mean_bounds(part[:, known.any(0)])
    return _interval(value, (value + low, value + high), episodes)


def _interval(value: float, bounds: Bounds, n: int) -> Interval:
    low, high = (float(bound) for bound in bounds)
    return Interval(min(low, float(value)), float(value), max(high, float(value)), n)
