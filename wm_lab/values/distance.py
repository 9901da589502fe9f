"""`value=distance`: steps to go from a state to a goal; `ways.py` says how they are learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.training.config import TrainerConfig
from wm_lab.values.goals import GoalValue, Ground
from wm_lab.values.ways import Ways, WaysConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

WAVES = (1.0, 2.0, 4.0)
"""Of a goal's numbers, in radians a standard deviation."""


@dataclass
class StepsToGoConfig(Ground, WaysConfig):
    """What steps to go can be told."""


class StepsToGo(GoalValue):
    Config = StepsToGoConfig
    config: StepsToGoConfig
    REVISION = 1

    def __init__(self, config: StepsToGoConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        size = len(spec.mean["state"])
        # Numbers that stay as they are within an episode, such as its own goal, tell nothing of the way to another.
        moves = torch.tensor(spec.changes.get("state", [True] * size)).nonzero()[:, 0].tolist()
        self.ways = Ways(config, size, moves, config.goal, config.cell * config.tolerance, WAVES)

    @property
    def follows_itself(self) -> bool:
        """See `ReturnValue`."""
        return self.config.learnt_by == "expectile"

    @classmethod
    def trainer(cls, config: StepsToGoConfig, longest: int) -> TrainerConfig:
        return config.trained_on(longest)

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        super().prepare(dataset, model)
        mean, std = (torch.tensor(values["state"]) for values in (self.spec.mean, self.spec.std))
        self.ways.prepare(torch.from_numpy(dataset.table.length), mean, std)

    def way(self, states: Tensor, goals: Tensor) -> Tensor:
        way: Tensor = self.ways(states, goals)
        return way

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        return self.ways.loss(windows.observation["state"], windows.valid)
