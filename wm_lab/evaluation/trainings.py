"""What several trainings of one model found on the same episodes, as one finding over trainings and episodes.

For numbers that are no means of what was played (`over_seeds` has those): medians, ratios of sums, horizons, R². Each
training brings an estimate with its interval over episodes. All trainings share the luck of the episodes, so that part
of the reach is their mean; what trainings differ in adds to its variance, and to its quantile as much as it holds of
the whole (`crossed.joined`). What an episode does to a single training is in both, so the intervals are rather too
wide than too narrow. Shapes: S trainings first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import TypeVar

import numpy as np
import scipy

from wm_lab.evaluation.assessment import Assessment, Curves, Skill
from wm_lab.evaluation.crossed import joined
from wm_lab.evaluation.horizon import Horizon
from wm_lab.evaluation.interval import LEVEL, Interval

TINY, LARGEST = np.finfo(float).tiny, 300.0
"""The least ratio that has a logarithm, and the furthest that a bound lies from its ratio in logarithms."""

Key = TypeVar("Key", bound=Hashable)
Leaf = TypeVar("Leaf")
Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]


def over_trainings(found: Sequence[Interval], *, least: float = -np.inf, most: float = np.inf) -> Interval:
    """The mean of as many estimates; `least` and `most` are the ends of what there is. Undefined where one is."""
    if len(found) == 1:
        return found[0]
    low, value, high = _combined(_columns(found), least, most)
    return Interval(float(low), float(value), float(high), min(one.n for one in found))


def over_ratios(found: Sequence[Interval]) -> Interval:
    """The mean of as many ratios, whose bounds are as far from it as their logarithms say: never below zero."""
    if len(found) == 1:
        return found[0]
    low, value, high = _combined_ratios(_columns(found))
    return Interval(float(low), float(value), float(high), min(one.n for one in found))


def over_horizons(found: Sequence[Horizon]) -> Horizon:
    """The mean horizon, its bounds taken outwards to whole steps; significant is what is so in every training."""
    if len(found) == 1:
        return found[0]
    limit = found[0].limit
    low, value, high = _combined(_columns(found), 0, limit)
    middle = round(float(value))
    significant = min(middle, *(one.significant for one in found))
    return Horizon(min(floor(low), middle), middle, max(ceil(high), middle), significant, limit, found[0].n)


def over_assessments(found: Sequence[Mapping[str, Assessment]]) -> dict[str, Assessment]:
    """{group: assessment} of the groups of windows that every training knows."""
    common = [group for group in found[0] if all(group in one for one in found)]
    return {group: _assessment([one[group] for one in found]) for group in common}


def by_leaf(combine: Callable[[Sequence[Leaf]], Leaf], found: Sequence[Mapping[Key, Leaf]]) -> dict[Key, Leaf]:
    """The same mapping from every training, combined value by value, of the keys that all of them have."""
    common = [key for key in found[0] if all(key in one for one in found)]
    return {key: combine([one[key] for one in found]) for key in common}


def over_tables(
    combine: Callable[[Sequence[Leaf]], Leaf], found: Sequence[Mapping[str, Mapping[str, Leaf]]]
) -> dict[str, dict[str, Leaf]]:
    """The same for mappings of mappings."""
    return {who: by_leaf(combine, [one[who] for one in found]) for who in found[0]}


def _assessment(found: Sequence[Assessment]) -> Assessment:
    if len(found) == 1:
        return found[0]
    return replace(
        found[0],
        windows=round(sum(one.windows for one in found) / len(found)),
        episodes=min(one.episodes for one in found),
        units=by_leaf(lambda units: units[0], [one.units for one in found]),
        tolerances=by_leaf(lambda limits: limits[0], [one.tolerances for one in found]),
        seen_in=by_leaf(min, [one.seen_in for one in found]),
        curves=over_tables(_curves, [one.curves for one in found]),
        skill=over_tables(_skill, [one.skill for one in found]),
        beats=over_tables(over_horizons, [one.beats for one in found]),
        tolerance=by_leaf(over_horizons, [one.tolerance for one in found]),
        actions=by_leaf(over_horizons, [one.actions for one in found]),
        useful=over_horizons([one.useful for one in found]),
        trainings=sum(one.trainings for one in found),
    )


def _curves(found: Sequence[Curves]) -> Curves:
    def triple(name: str) -> Bounds:
        low, value, high = (np.stack([getattr(c, f"{name}{end}") for c in found]) for end in ("_low", "", "_high"))
        return _combined((low, value, high), least=0.0)

    median_low, median, median_high = triple("median")
    mean_low, mean, mean_high = triple("mean")
    p90 = np.mean([c.p90 for c in found], axis=0)
    return Curves(median, median_low, median_high, p90, mean, mean_low, mean_high)


def _skill(found: Sequence[Skill]) -> Skill:
    low, value, high = (np.stack([getattr(one, end) for one in found]) for end in ("low", "value", "high"))
    most, ratio, least = _combined_ratios((1 - high, 1 - value, 1 - low))
    return Skill(1 - least, 1 - ratio, 1 - most)


def _columns(found: Sequence[Interval] | Sequence[Horizon]) -> Bounds:
    low, value, high = np.array([one[:3] for one in found], float).T
    return low, value, high


def _combined(bounds: Bounds, least: float = -np.inf, most: float = np.inf) -> Bounds:
    """Bounds and mean [...] of estimates with bounds of their own, [S, ...] each."""
    low, value, high = bounds
    trainings = len(value)
    mean, of_seeds = value.mean(0), value.var(0, ddof=1) / trainings
    student, normal = scipy.special.stdtrit(trainings - 1, (1 + LEVEL) / 2), scipy.special.ndtri((1 + LEVEL) / 2)
    reaches = []
    for bound in (low, high):
        of_episodes = (np.abs(value - bound).mean(0) / normal) ** 2
        reaches.append(joined(of_seeds, of_episodes, trainings, student, normal) * np.sqrt(of_seeds + of_episodes))
    return np.maximum(mean - reaches[0], least), mean, np.minimum(mean + reaches[1], most)


def _combined_ratios(bounds: Bounds) -> Bounds:
    """As `_combined`, in logarithms; the mean stays that of the ratios."""
    low, value, high = (np.log(np.maximum(part, TINY)) for part in bounds)
    below, middle, above = _combined((low, value, high))
    mean = bounds[1].mean(0)
    return mean * np.exp(below - middle), mean, mean * np.exp(np.minimum(above - middle, LARGEST))
