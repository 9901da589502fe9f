"""A row of the table: one kind of interval in one kind of experiment."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Rng = np.random.Generator
Bounds = tuple[np.ndarray, np.ndarray]


class Row(NamedTuple):
    """`held(rng, n)` [G, N]: whether the interval held the truth, for G true values and N experiments with each.

    Where outcomes are counts no interval can hold every true value equally often; there the truth lies on a fine grid
    of G values, and the mean over the grid is what 95 % can mean (Brown, Cai and DasGupta 2001, Statistical Science
    16:101). Elsewhere G is 1.
    """

    interval: str
    scenario: str
    held: Callable[[Rng, int], np.ndarray]
    times: float = 1.0  # how many experiments, of those that are asked for: more of what is fast


def holds(bounds: Bounds, truth: np.ndarray | float) -> np.ndarray:
    """Whether bounds [...] hold the truth; a computer's rounding is forgiven."""
    low, high = bounds
    return (low <= np.asarray(truth) + 1e-9) & (np.asarray(truth) - 1e-9 <= high)


def seeds_of(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"
