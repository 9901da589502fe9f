"""The statistics that LeRobot keeps of every feature, of an episode and of the whole dataset.

Vectors: per dimension [D]. Images: per channel [3, 1, 1], of pixels in [0, 1] of some frames of every episode. They are
those of lerobot's own compute_stats.py (0.4.4), whose quantiles are read off a histogram and averaged over episodes, so
that a policy is normalised alike whoever wrote the dataset. One number is not: the deviation of images, which lerobot
takes from squares that overflow eight bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Stats = dict[str, Any]

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}

BINS = 5000
"""Of the histogram that quantiles are read off."""

MARGIN = 1e-10
"""By which the histogram goes beyond the values."""

LARGE, COARSE = 300, 150
"""Pixels: images with a larger side are thinned out, to about so many."""


def gather(columns: Mapping[str, np.ndarray]) -> dict[str, Stats]:
    """{feature: {"min", "max", "mean", "std", "count", "q01", ...}} of one episode, in JSON's terms."""
    return {name: _of_images(values) if values.ndim == 4 else _of_numbers(values) for name, values in columns.items()}


def merge(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """The same of all episodes. Quantiles of a union cannot be had from those of its parts: as LeRobot does, they are
    the parts' own, weighted by their frames."""
    return {name: _merged([stats[name] for stats in episodes]) for name in episodes[0]}


def _of_numbers(values: np.ndarray) -> Stats:
    rows = values.reshape(len(values), -1).astype(np.float64)
    return _facts(rows, len(rows), (rows.shape[1],))


def _of_images(images: np.ndarray) -> Stats:
    some = images[_sample(len(images))]
    height, width = images.shape[1:3]
    step = max(height, width) // COARSE if max(height, width) >= LARGE else 1
    levels = some[:, ::step, ::step].reshape(-1, 3).astype(np.float64)
    facts = _facts(levels, len(some), (3, 1, 1))
    return {name: value if name == "count" else (np.array(value) / 255.0).tolist() for name, value in facts.items()}


def _sample(frames: int) -> np.ndarray:
    """Which frames of an episode speak for its images."""
    count = max(min(100, frames), min(int(frames**0.75), 10_000))
    return np.round(np.linspace(0, frames - 1, count)).astype(int)


def _facts(rows: np.ndarray, count: int, shape: tuple[int, ...]) -> Stats:
    """Of rows [n, D] that stand for `count` frames."""
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    by_dimension = np.stack([_quantiles(column) for column in rows.T], axis=1)  # [Q, D]
    found |= dict(zip(QUANTILES, by_dimension, strict=True))
    return {name: value.reshape(shape).tolist() for name, value in found.items()} | {"count": [count]}


def _quantiles(values: np.ndarray) -> np.ndarray:
    """[Q] of values [n]: where the histogram's running sum reaches the share, on a straight line within a bin."""
    if len(values) < 2 or not np.isfinite(values).all():
        return np.full(len(QUANTILES), values.mean())
    edges = np.linspace(values.min() - MARGIN, values.max() + MARGIN, BINS + 1)
    reached = np.cumsum(np.histogram(values, bins=edges)[0])
    found = []
    for share in QUANTILES.values():
        target = share * len(values)
        bin_ = int(np.searchsorted(reached, target))
        if bin_ == 0 or bin_ >= BINS:
            found.append(edges[0] if bin_ == 0 else edges[-1])
            continue
        before, here = reached[bin_ - 1], reached[bin_] - reached[bin_ - 1]
        found.append(edges[bin_] + (target - before) / here * (edges[bin_ + 1] - edges[bin_]))
    return np.array(found)


def _merged(parts: Sequence[Stats]) -> Stats:
    column = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    weight = column["count"].reshape(-1, *[1] * (column["mean"].ndim - 1)) / column["count"].sum()
    mean = (weight * column["mean"]).sum(0)
    variance = (weight * (column["std"] ** 2 + (column["mean"] - mean) ** 2)).sum(0)
    found = {"min": column["min"].min(0), "max": column["max"].max(0), "mean": mean, "std": np.sqrt(variance)}
    found |= {name: (weight * column[name]).sum(0) for name in QUANTILES}
    return {name: value.tolist() for name, value in found.items()} | {"count": [int(column["count"].sum())]}
