"""What one clone is trained on, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wm_lab.data.dataset import Dataset
from wm_lab.world_model import DataSpec


@dataclass(frozen=True)
class Diet:
    """Shards of demonstrations and their shares of each batch."""

    dataset: Dataset
    name: str = ""
    eyes: Dataset | None = None  # whose statistics the policy normalises by; None: those of `dataset`
    weights: list[float] | None = None  # share of each batch from each shard; None: in proportion to their size
    steps: int | None = None  # of the gradient; None: the trainer's

    @property
    def spec(self) -> DataSpec:
        return (self.eyes or self.dataset).spec

    def recipe(self) -> dict[str, Any]:
        """What this adds to the recipe of a training; nothing where it is plain demonstrations."""
        told = {"eyes": None if self.eyes is None else self.eyes.digest, "weights": self.weights}
        return {name: value for name, value in told.items() if value is not None}
