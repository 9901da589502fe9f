"""Made-up experiments whose truth is known.

Shapes: N experiments, S training seeds, E episodes. Spreads are standard deviations of log-odds: 1.2 between seeds is
0.25 of a success rate of 0.6, as clones of a half-trained kind differ; 0.5 is 0.1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import optimize, special

Rng = np.random.Generator


@lru_cache
def centre(rate: float, spread: float) -> float:
    """The log-odds whose mean rate is `rate` when they spread by so much."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()
    return float(optimize.brentq(lambda m: (weights * special.expit(m + spread * nodes)).sum() - rate, -60, 60))


def luck_of_episodes(rng: Rng, experiments: int, episodes: int) -> np.ndarray:
    """[N, 1, E] How much easier than usual an episode is, for whoever plays it."""
    return rng.normal(size=(experiments, 1, episodes))


def flags(rng: Rng, luck: np.ndarray, seeds: int, rate: float, spread: float, tau: float = 1.0) -> np.ndarray:
    """[N, S, E] of an arm whose seeds spread, on episodes that differ by tau times their luck."""
    if rate in (0.0, 1.0):
        return np.full((len(luck), seeds, luck.shape[-1]), bool(rate))
    odds = centre(rate, float(np.hypot(spread, tau))) + tau * luck
    odds = odds + spread * rng.normal(size=(len(luck), seeds, 1))
    return rng.random(odds.shape) < special.expit(odds)


def beta_flags(rng: Rng, luck: np.ndarray, seeds: int, rate: float, deviation: float) -> np.ndarray:
    """[N, S, E] of an arm whose seeds' rates have a beta distribution with this standard deviation."""
    size = rate * (1 - rate) / deviation**2 - 1
    own = rng.beta(rate * size, (1 - rate) * size, size=(len(luck), seeds, 1))
    mixed = np.sqrt(0.3) * luck + np.sqrt(0.7) * rng.normal(size=(len(luck), seeds, luck.shape[-1]))
    return special.ndtr(mixed) < own


def numbers(rng: Rng, luck: np.ndarray, seeds: int, spread: float, skewed: bool) -> np.ndarray:
    """[N, S, E] of mean 0: returns, steps or errors."""
    own = spread * rng.normal(size=(len(luck), seeds, 1))
    shape = (len(luck), seeds, luck.shape[-1])
    return own + luck + (rng.exponential(size=shape) - 1 if skewed else rng.normal(size=shape))


class Encoder:
    """Features of trajectories of which a line, and noise that a whole trajectory shares, make the target."""

    def __init__(self, rng: Rng, features: int, noise: float, frames: int = 10) -> None:
        self.rng, self.frames, self.noise = rng, frames, noise
        self.weights = rng.normal(size=features) / np.sqrt(features)

    def draw(self, trajectories: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features [M, F], targets [M, 1] and whose frames they are [M]."""
        shape, rng = (trajectories, self.frames, len(self.weights)), self.rng
        walk = np.cumsum(rng.normal(size=shape), 1) / np.sqrt(self.frames)
        x = rng.normal(size=(trajectories, 1, shape[2])) + 0.5 * walk
        shared = rng.normal(size=(trajectories, 1)) + rng.normal(size=shape[:2])
        y = x @ self.weights + self.noise * np.sqrt(0.5) * shared
        return x.reshape(-1, shape[2]), y.reshape(-1, 1), np.repeat(np.arange(trajectories), self.frames)
