"""Which episodes train, validate and test.

Of a collection, a hash of each episode's own seed decides, and nothing else: neither the order of episodes nor those
added later. So an episode never changes sides when a round of on-policy episodes is added, and two datasets of
different size agree on the episodes they share.
The seeds of a recording are only numbers, the same in every recording. Its episodes are counted out (`count_out`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wm_lab.domains import ShareBelowOne
from wm_lab.errors import UserError

SPLITS = ("train", "validation", "test")


@dataclass
class SplitConfig:
    """Fractions are of the episodes, of a collection in expectation; what they leave is for training."""

    validation_fraction: ShareBelowOne = 0.1  # to choose weights by
    test_fraction: ShareBelowOne = 0.0  # to judge by
    seed: int = 0  # of the draw

    def __post_init__(self) -> None:
        if self.validation_fraction + self.test_fraction >= 1:
            raise UserError(
                f"data.validation_fraction={self.validation_fraction} and data.test_fraction={self.test_fraction} "
                "leave nothing to train on; their sum must be below 1"
            )


def assign(seeds: np.ndarray, first: int, config: SplitConfig) -> np.ndarray:
    """Index into `SPLITS` for each episode seed [E].

    The first `first` episodes (a dataset's oldest shard, which never changes) give at least one episode to each split
    that has a fraction, for in a small dataset chance alone may leave one empty.
    """
    draw = uniform_hash(seeds, config.seed)
    below_test = config.validation_fraction + config.test_fraction
    split = np.where(draw < config.validation_fraction, 1, np.where(draw < below_test, 2, 0))
    ranked = np.argsort(draw[:first], kind="stable")
    if config.validation_fraction > 0 and not (split[:first] == 1).any():
        split[ranked[0]] = 1
    if config.test_fraction > 0 and not (split[:first] == 2).any() and first > 1:
        split[ranked[1 if split[ranked[0]] == 1 else 0]] = 2
    return split


def count_out(solved: np.ndarray, identity: int, config: SplitConfig) -> np.ndarray:
    """Index into `SPLITS` for each episode of a recording, of which [E] were `solved`.

    Every split gets its fraction of the episodes, rounded, at least one where it has a fraction and there are enough,
    and of those that were solved and those that were not about its share. `identity` is the recording's own number.
    """
    count = len(solved)
    draw = uniform_hash(np.arange(count), config.seed ^ identity)
    place = np.empty(count)
    for kind in (True, False):
        (members,) = np.nonzero(solved == kind)
        shuffled = members[np.argsort(draw[members], kind="stable")]
        place[shuffled] = (np.arange(len(members)) + 0.5) / max(len(members), 1)
    # Both kinds are spread evenly over one line, so that any stretch of it holds its share of each.
    line = np.lexsort((draw, place))
    split, taken = np.zeros(count, int), 0
    for index, fraction in ((1, config.validation_fraction), (2, config.test_fraction)):
        wanted = max(1, round(fraction * count)) if fraction > 0 else 0
        wanted = min(wanted, count - 1 - taken)
        split[line[taken : taken + wanted]] = index
        taken += wanted
    return split


def uniform_hash(seeds: np.ndarray, salt: int) -> np.ndarray:
    """A number in [0, 1) for each seed [E]: the finaliser of SplitMix64, whose output bits are as good as random."""
    x = np.asarray(seeds).astype(np.uint64) + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)  # wraps around at 2^64, as it should
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53
