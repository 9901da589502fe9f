"""Where the mean over training seeds and episodes gets its luck from, and how far it may reach.

Shapes: any leading [...], S >= 2 training seeds, E >= 2 episodes that every seed played.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from wm_lab.evaluation.interval import LEVEL

BOUNDED = 0.75
"""Share of an interval's error that is left to seeds whose outcomes are bounded, as success is: rates of few seeds are
not normal, and Student's interval misses them more often than it says. Found by `scripts/coverage.py`."""


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
        """How many deviations [...] the mean reaches to either side to be wrong in a share `miss` of experiments.

        The root of the mean of two squares: of Student's quantile with as many degrees of freedom as Satterthwaite
        gives the two variances together, which is too short where few seeds matter a little, and of each variance with
        its own (MOVER; Zou and Donner 2008, Statistics in Medicine 27:1693), which is too long there.
        """
        first, second = self.of_seeds, self.of_episodes
        whole = np.maximum(self.variance, np.finfo(float).tiny)
        square = first**2 / (self.seeds - 1) + second**2 / (self.episodes - 1)
        freedom = whole**2 / np.maximum(square, np.finfo(float).tiny)
        tail = miss * (BOUNDED if bounded else 1.0) / 2
        together = special.stdtrit(np.clip(freedom, 1, None), tail) ** 2
        own = special.stdtrit(self.seeds - 1, tail) ** 2 * first
        own += special.stdtrit(self.episodes - 1, miss / 2) ** 2 * second
        deviations: np.ndarray = np.sqrt((together + own / whole) / 2)
        return deviations

    def missed(self, reach: float, bounded: bool = False) -> float:
        """The share of experiments in which a mean is so many deviations off: `quantile` turned round."""
        low, high = LEAST, 0.0  # of its logarithm
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.quantile(np.exp(middle), bounded) > reach else (low, middle)
        return float(np.exp(high))
