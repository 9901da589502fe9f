"""No value: plans are judged up to their horizon."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wm_lab.objectives import Objective
from wm_lab.tasks.task import Task
from wm_lab.values.value import Value
from wm_lab.world_model import Windows, WorldModel


@dataclass
class NoValueConfig:
    """Has no options."""


class NoValue(Value):
    Config = NoValueConfig

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError("there is nothing to train")

    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        return objective
