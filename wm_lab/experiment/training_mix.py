"""What one clone is trained on, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.world_model import DataSpec


@dataclass(frozen=True)
class TrainingMix:
    """Shards of demonstrations and their shares of each batch."""

    dataset: Dataset
    name: str = ""
    normaliser: tuple[Dataset, ...] = ()  # whose statistics the policy normalises by; none: those of `dataset`
    weights: list[float] | None = None  # share of each batch from each shard; None: in proportion to their size
    steps: int | None = None  # of the gradient; None: the trainer's

    @property
    def spec(self) -> DataSpec:
        return pooled([dataset.spec for dataset in self.normaliser or (self.dataset,)])

    def recipe(self) -> dict[str, Any]:
        """What this adds to the recipe of a training; nothing where it is plain demonstrations."""
        # The store knows the normaliser as "eyes".
        added = {"eyes": [dataset.digest for dataset in self.normaliser] or None, "weights": self.weights}
        return {name: value for name, value in added.items() if value is not None}


def pooled(specs: Sequence[DataSpec]) -> DataSpec:
    """The first, with mean and deviation of each observed number over all datasets, which weigh alike.

    What one of them hardly moves is then not blown up: an expert keeps its hand upright to a milliradian, and by that
    measure a tilt of half a degree, which any disturbance brings about, would be like nothing the clone has ever seen.
    """
    mean, std = dict(specs[0].mean), dict(specs[0].std)
    for key, shape in specs[0].observation.items():
        if len(shape) == 1:
            means, deviations = (np.array([getattr(spec, of)[key] for spec in specs]) for of in ("mean", "std"))
            mean[key] = means.mean(0).tolist()
            std[key] = np.sqrt((deviations**2 + (means - means.mean(0)) ** 2).mean(0)).tolist()
    return replace(specs[0], mean=mean, std=std)
