"""Mean and spread of the training split, which models use to bring observations to a common scale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

MINIMUM_STD = 1e-3
"""In the observation's own unit (mostly metres and radians): a dimension that never moves is not blown up by this."""

MINIMUM_STD_CHANGE = 1e-4
"""Per control step; a goal that stands still is predicted to do so to a tenth of a millimetre."""


class Moments(NamedTuple):
    """Mean and standard deviation of each dimension."""

    mean: list[float]
    std: list[float]


def moments(parts: Iterable[np.ndarray]) -> Moments:
    """Moments of rows [n, D] that come in parts, in double precision; every std is at least `MINIMUM_STD`.

    Parts are merged by Chan's formula, so large means cost no digits and nothing is read twice.
    """
    count, mean, squares = 0, np.zeros(1), np.zeros(1)
    for part in parts:
        if not len(part):
            continue
        part = part.astype(np.float64)
        part_mean = part.mean(0)
        delta, total = part_mean - mean, count + len(part)
        squares = squares + ((part - part_mean) ** 2).sum(0) + delta**2 * (count * len(part) / total)
        mean, count = mean + delta * (len(part) / total), total
    std = np.sqrt(squares / max(count, 1))
    return Moments(mean.tolist(), np.maximum(std, MINIMUM_STD).tolist())


def spread_of_changes(episodes: Iterable[np.ndarray]) -> list[float]:
    """Root mean square [D] of the one-step changes within each episode's rows [L + 1, D], at least a small floor.

    It is taken about zero: a clock ticks by the same amount at every step, and its change must not be divided by the
    zero spread of that.
    """
    count, squares = 0, np.zeros(1)
    for rows in episodes:
        change = np.diff(rows.astype(np.float64), axis=0)
        count, squares = count + len(change), squares + (change**2).sum(0)
    return np.maximum(np.sqrt(squares / max(count, 1)), MINIMUM_STD_CHANGE).tolist()
