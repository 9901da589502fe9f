"""Mean and spread of the training split, which models use to bring observations to a common scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from wm_lab.tasks.task import UNTOLD

UNKNOWN_UNITS = frozenset({"", UNTOLD})
"""Of variables whose numbers may be in metres as well as in micrometres."""


class Floors(NamedTuple):
    """Below which a deviation counts as none, in the observations' own units."""

    std: float
    change: float  # per control step
    input: float  # of what a linear guess is made from


METRIC = Floors(1e-3, 1e-4, 1e-6)
"""Of a task that says its units, mostly metres and radians: what jitters by less than a millimetre is not blown up, and
a goal that stands still is predicted to do so to a tenth of one."""

SCALE_FREE = Floors(0.0, 0.0, 0.0)
"""Of data in anybody's units: whatever moves, moves (`moving`), so that the unit decides nothing."""

ROUNDING = 1e-6
"""Of a number's size: what a constant wanders by in single precision is less."""

NEGLIGIBLE = 1e-12
"""Of the widest dimension's deviation: what numerical noise about zero stays below."""

STILL, STILL_CHANGE = 1e-2, 1e-3
"""Without a unit, a constant is given so much of the widest deviation, and a change so much of its dimension's own."""


def floors_of(units: Iterable[str]) -> Floors:
    """By the units of a task's variables."""
    return METRIC if set(units) - UNKNOWN_UNITS else SCALE_FREE


def moving(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """[D] bool: which dimensions are more than a constant and its rounding, whatever their units."""
    varies: np.ndarray = (std > ROUNDING * np.hypot(mean, std)) & (std > NEGLIGIBLE * np.max(std, initial=0.0))
    return varies


class Moments(NamedTuple):
    """Mean and standard deviation of each dimension."""

    mean: list[float]
    std: list[float]


def moments(parts: Iterable[np.ndarray], floors: Floors = SCALE_FREE) -> Moments:
    """Moments of rows [n, D] that come in parts, in double precision; every std is above 0 (`Floors`).

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
    if floors.std:
        return Moments(mean.tolist(), np.maximum(std, floors.std).tolist())
    moves = moving(mean, std)
    widest = std[moves].max() if moves.any() else np.abs(mean).max()
    return Moments(mean.tolist(), np.where(moves, std, STILL * (widest or 1.0)).tolist())


def spread_of_changes(
    episodes: Iterable[np.ndarray], std: Sequence[float], floors: Floors = SCALE_FREE
) -> tuple[list[float], list[bool]]:
    """Root mean square [D] of the one-step changes within each episode's rows [L + 1, D], and whether there are any.

    std: of the rows. The mean square is taken about zero: a clock ticks by the same amount at every step, and its
    change must not be divided by the zero spread of that. Where nothing changes it is a floor above 0.
    """
    count, squares = 0, np.zeros(1)
    for rows in episodes:
        change = np.diff(rows.astype(np.float64), axis=0)
        count, squares = count + len(change), squares + (change**2).sum(0)
    spread = np.sqrt(squares / max(count, 1))
    floor = np.full(len(std), floors.change) if floors.change else STILL_CHANGE * np.asarray(std)
    return np.maximum(spread, floor).tolist(), (spread > floor).tolist()


FRAMES = 1000
"""That an image's moments are taken over: reading all of a large dataset would take longer than training on it."""


def image_moments(episodes: Sequence[np.ndarray]) -> Moments:
    """The mean of images [L + 1, H, W, 3], flat, and *one* deviation from it, of all pixels, in [0, 255].

    Of about `FRAMES` images, spread over all episodes.
    """
    stride = -(-sum(len(images) for images in episodes) // FRAMES)
    some = (images[i % stride :: stride] for i, images in enumerate(episodes))
    mean, std = moments((images.reshape(len(images), -1) for images in some if len(images)), METRIC)
    return Moments(np.round(mean, 2).tolist(), [max(1.0, float(np.sqrt(np.square(std).mean())))])


RIDGE = 1e-4
"""Penalty per transition on z-scored inputs: bars collinear dimensions from blowing up, no more."""


def linear_changes(
    parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], ridge: float = RIDGE, floors: Floors = SCALE_FREE
) -> np.ndarray:
    """Ridge regression of the change of state on state and action: change = [s, a, 1] @ weights, [D + A + 1, D].

    parts: (states [n, D], actions [n, A], following states [n, D]), read once, in double precision. An input that
    never moves is only centred.
    """
    gram, cross, count = np.zeros((1, 1)), np.zeros((1, 1)), 0
    for states, actions, following in parts:
        inputs = np.concatenate([states, actions, np.ones((len(states), 1))], axis=1, dtype=np.float64)
        gram = gram + inputs.T @ inputs
        cross = cross + inputs.T @ (following.astype(np.float64) - states)
        count += len(states)
    if not count:
        raise ValueError("there are no transitions to fit")
    mean, mean_change = gram[-1, :-1] / count, cross[-1] / count
    covariance = gram[:-1, :-1] / count - np.outer(mean, mean)
    std = np.sqrt(np.maximum(np.diag(covariance), 0))
    covariance_change = cross[:-1] / count - np.outer(mean, mean_change)
    if floors.input:
        scale = np.where(std > floors.input, std, 1.0)
    else:
        moves = moving(mean, std)
        scale = np.where(moves, std, 1.0)
        covariance *= np.outer(moves, moves)  # of constants it is rounding, as large as their unit makes it
        covariance_change *= moves[:, None]
    z_covariance = covariance / np.outer(scale, scale) + ridge * np.eye(len(scale))
    z_cross = covariance_change / scale[:, None]
    slope = np.linalg.solve(z_covariance, z_cross) / scale[:, None]
    return np.concatenate([slope, (mean_change - mean @ slope)[None]])
