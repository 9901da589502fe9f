"""Mean and spread of the training split, which models use to bring observations to a common scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


FRAMES = 1000
"""That an image's moments are taken over: reading all of a large dataset would take longer than training on it."""


def image_moments(episodes: Sequence[np.ndarray]) -> Moments:
    """The mean of images [L + 1, H, W, 3], flat, and *one* deviation from it, of all pixels, in [0, 255].

    Of about `FRAMES` images, spread over all episodes.
    """
    stride = -(-sum(len(images) for images in episodes) // FRAMES)
    some = (images[i % stride :: stride] for i, images in enumerate(episodes))
    mean, std = moments(images.reshape(len(images), -1) for images in some if len(images))
    return Moments(np.round(mean, 2).tolist(), [max(1.0, float(np.sqrt(np.square(std).mean())))])


RIDGE = 1e-4
"""Penalty per transition on z-scored inputs: bars collinear dimensions from blowing up, no more."""

CONSTANT = 1e-6
"""Deviation below which an input never moves and is only centred."""


def linear_changes(parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], ridge: float = RIDGE) -> np.ndarray:
    """Ridge regression of the change of state on state and action: change = [s, a, 1] @ weights, [D + A + 1, D].

    parts: (states [n, D], actions [n, A], following states [n, D]), read once, in double precision.
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
    scale = np.where(std > CONSTANT, std, 1.0)
    z_covariance = covariance / np.outer(scale, scale) + ridge * np.eye(len(scale))
    z_cross = (cross[:-1] / count - np.outer(mean, mean_change)) / scale[:, None]
    slope = np.linalg.solve(z_covariance, z_cross) / scale[:, None]
    return np.concatenate([slope, (mean_change - mean @ slope)[None]])
