"""The statistics that LeRobot keeps of every feature, of an episode and of the whole dataset.

Vectors: per dimension [D]. Images: per channel [3, 1, 1], of pixels in [0, 1] of some frames of every episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Stats = dict[str, Any]

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}

SAMPLE = 20
"""Frames of an episode that speak for its images."""


def gather(columns: Mapping[str, np.ndarray]) -> dict[str, Stats]:
    """{feature: {"min", "max", "mean", "std", "count", "q01", ...}} of one episode, in JSON's terms."""
    return {name: _of_images(values) if values.ndim == 4 else _of_numbers(values) for name, values in columns.items()}


def merge(episodes: Sequence[Mapping[str, Stats]]) -> dict[str, Stats]:
    """The same of all episodes. Quantiles of a union cannot be had from those of its parts: as LeRobot does, lower
    ones are the least of them and upper ones the greatest, which are bounds."""
    return {name: _merged([stats[name] for stats in episodes]) for name in episodes[0]}


def _of_numbers(values: np.ndarray) -> Stats:
    rows = values.reshape(len(values), -1).astype(np.float64)
    return _facts(rows, len(rows), (rows.shape[1],))


def _of_images(images: np.ndarray) -> Stats:
    some = np.unique(np.linspace(0, len(images) - 1, SAMPLE).round().astype(int))
    pixels = images[some].reshape(-1, 3) / 255.0
    return _facts(pixels, len(some), (3, 1, 1))


def _facts(rows: np.ndarray, count: int, shape: tuple[int, ...]) -> Stats:
    low, high, quantiles = rows.min(0), rows.max(0), np.quantile(rows, list(QUANTILES.values()), axis=0)
    found = {"min": low, "max": high, "mean": rows.mean(0), "std": rows.std(0)} | dict(
        zip(QUANTILES, quantiles, strict=True)
    )
    return {name: value.reshape(shape).tolist() for name, value in found.items()} | {"count": [count]}


def _merged(parts: Sequence[Stats]) -> Stats:
    column = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    weight = column["count"].reshape(-1, *[1] * (column["mean"].ndim - 1)) / column["count"].sum()
    mean = (weight * column["mean"]).sum(0)
    square = (weight * (column["std"] ** 2 + column["mean"] ** 2)).sum(0)
    found = {
        "min": column["min"].min(0),
        "max": column["max"].max(0),
        "mean": mean,
        "std": np.sqrt(np.maximum(square - mean**2, 0)),
        **{name: column[name].min(0) if share < 0.5 else column[name].max(0) for name, share in QUANTILES.items()},
    }
    return {name: value.tolist() for name, value in found.items()} | {"count": [int(column["count"].sum())]}
