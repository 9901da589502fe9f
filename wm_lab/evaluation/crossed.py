"""Where the mean over training seeds and episodes gets its luck from, and how far it may reach.

Shapes: any leading [...], S >= 2 training seeds, E >= 2 episodes that every seed played.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from wm_lab.evaluation.interval import LEVEL

BOUNDED = 0.8
"""Share of an interval's error that is left to seeds whose outcomes are bounded, as success is: rates of few seeds are
not normal, and Student's interval misses them more often than it says. Found by `scripts/coverage.py`."""

TURN, STEEP = 0.4, 3
"""Of how seeds come to decide, see `joined`. Found by the same simulation."""

LEAST, HALVINGS = -300.0, 50
"""Where the logarithm of a p value is sought."""


class Crossed(NamedTuple):
    """The mean of values [..., S, E] and its variance, in the two parts that chance has in it; all [...]."""

    mean: np.ndarray
    of_seeds: np.ndarray  # variance of the mean: the seeds', with all that a seed does to single episodes
    of_episodes: np.ndarray  # and what an episode does to all seeds alike (two-way analysis of variance)
    seeds: int
    episodes: int

    @classmethod
    def of(cls, values: np.ndarray) -> Crossed:
        *_, seeds, episodes = values.shape
        if seeds < 2 or episodes < 2:
            raise ValueError(f"seeds and episodes together need [seeds >= 2, episodes >= 2], found {values.shape}")
        x = np.asarray(values, float)
        mean, by_seed, by_episode = x.mean((-2, -1)), x.mean(-1), x.mean(-2)
        residual = x - by_seed[..., None] - by_episode[..., None, :] + mean[..., None, None]
        alone = np.square(residual).sum((-2, -1)) / ((seeds - 1) * (episodes - 1))
        shared = np.maximum(by_episode.var(-1, ddof=1) - alone / seeds, 0.0)
        return cls(mean, by_seed.var(-1, ddof=1) / seeds, shared / episodes, seeds, episodes)

    @property
    def variance(self) -> np.ndarray:
        total: np.ndarray = self.of_seeds + self.of_episodes
        return total

    def quantile(self, miss: float = 1 - LEVEL, bounded: bool = False) -> np.ndarray:
        """How many deviations [...] the mean reaches to either side to be wrong in a share `miss` of experiments."""
        own, other = (
            scipy.special.stdtrit(freedom, tail / 2)
            for freedom, tail in ((self.seeds - 1, miss * (BOUNDED if bounded else 1.0)), (self.episodes - 1, miss))
        )
        return joined(self.of_seeds, self.of_episodes, self.seeds, own, other)

    def missed(self, reach: float, bounded: bool = False) -> float:
        """The share of experiments in which a mean is so many deviations off: `quantile` turned round."""
        low, high = LEAST, 0.0  # of its logarithm
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.quantile(np.exp(middle), bounded) > reach else (low, middle)
        return float(np.exp(high))


def joined(of_seeds: np.ndarray, of_episodes: np.ndarray, seeds: int, own: float, other: float) -> np.ndarray:
    """How many deviations [...] a sum of two independent parts reaches, where the first's variance is of few seeds.

    Between the quantiles of each part alone, `own` and `other`, squared: the seeds' as soon as they hold more of the
    variance than a share that `TURN` sets (a problem of Behrens and Fisher, of which one side has hardly any degrees of
    freedom). Each part with its own quantile (MOVER; Zou and Donner 2008, Statistics in Medicine 27:1693) reaches too
    far where both matter alike, Satterthwaite's degrees of freedom not far enough with two or three seeds.
    """
    share = of_seeds / np.maximum(of_seeds + of_episodes, np.finfo(float).tiny)
    weight = share**STEEP / (share**STEEP + (TURN * (seeds - 1) * (1 - share)) ** STEEP)
    deviations: np.ndarray = np.sqrt(weight * own**2 + (1 - weight) * other**2)
    return deviations
