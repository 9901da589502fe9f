"""Made-up experiments whose truth is known.

Shapes: N experiments, S training seeds, E episodes. Spreads are standard deviations of log-odds: 1.2 between seeds is
0.25 of a success rate of 0.6, as clones of a half-trained kind differ; 0.5 is 0.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from row import Rng
from scipy import special

CLONES = (0.88, 0.93, 0.36, 0.55, 0.48)
"""Success rates of five clones of one kind, trained half as long as they should have been."""


@lru_cache
def _table(spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds, and the mean rate of what spreads by so much around them."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    odds = np.linspace(-15, 15, 6001)
    return odds, special.expit(odds[:, None] + spread * nodes) @ (weights / weights.sum())


def centre(rate: np.ndarray | float, spread: float) -> np.ndarray:
    """The log-odds whose mean rate is `rate` when they spread by so much."""
    odds, rates = _table(spread)
    return np.interp(rate, rates, odds)


def luck_of_episodes(rng: Rng, experiments: int, episodes: int) -> np.ndarray:
    """[N, 1, E] How much easier than usual an episode is, for whoever plays it."""
    return rng.normal(size=(experiments, 1, episodes))


def flags(rng: Rng, luck: np.ndarray, seeds: int, rate: np.ndarray | float, spread: float) -> np.ndarray:
    """[N, S, E] of an arm whose seeds spread, on episodes that differ by their luck; a rate, or one an experiment."""
    odds = np.reshape(centre(rate, float(np.hypot(spread, 1.0))), (-1, 1, 1)) + luck
    odds = odds + spread * rng.normal(size=(len(luck), seeds, 1))
    return rng.random(odds.shape) < special.expit(odds)


def beta_flags(rng: Rng, luck: np.ndarray, seeds: int, rate: np.ndarray, deviation: float) -> np.ndarray:
    """[N, S, E] of an arm whose seeds' rates have a beta distribution with this standard deviation."""
    size = np.reshape(rate * (1 - rate) / deviation**2 - 1, (-1, 1))
    rate = np.reshape(rate, (-1, 1))
    return _of_rates(rng, luck, rng.beta(rate * size, (1 - rate) * size, size=(len(luck), seeds)))


def clone_flags(rng: Rng, luck: np.ndarray, seeds: int) -> np.ndarray:
    """[N, S, E] of an arm whose seeds are each as good as one of the five clones."""
    return _of_rates(rng, luck, rng.choice(CLONES, size=(len(luck), seeds)))


def _of_rates(rng: Rng, luck: np.ndarray, rates: np.ndarray) -> np.ndarray:
    mixed = np.sqrt(0.3) * luck + np.sqrt(0.7) * rng.normal(size=(*rates.shape, luck.shape[-1]))
    return special.ndtr(mixed) < rates[..., None]


def numbers(rng: Rng, luck: np.ndarray, seeds: int, spread: float, skewed: bool) -> np.ndarray:
    """[N, S, E] of mean 0: returns, steps or errors."""
    own = spread * rng.normal(size=(len(luck), seeds, 1))
    shape = (len(luck), seeds, luck.shape[-1])
    return own + luck + (rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape))
