"""The contract of a value: what is still to be had from where an imagined future ends.

A planner looks a dozen steps ahead; a value says of the last of them how well it goes on from there. It is learned from
the same episodes as the world model, which stays as it is.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.domains import Batch, Count, Positive, Weight, Window
from wm_lab.objectives import Objective
from wm_lab.tasks.task import Task
from wm_lab.training.config import TrainerConfig
from wm_lab.world_model import Trainable, WorldModel


@dataclass
class ValueConfig:
    weight: Weight = 1.0  # of the value beside the objective's other terms


@dataclass
class TrainedValueConfig(ValueConfig):
    steps: Count = 1500  # gradient steps
    batch: Batch = 64  # windows in a gradient step
    length: Window = 16  # steps in a window
    learning_rate: Positive = 1e-3  # of AdamW, at its highest


class Value(Trainable):
    """Built as `Value(Config(...), DataSpec(...))`, prepared with the data, trained like every model, then asked."""

    config: ValueConfig

    reads_model: ClassVar[bool] = False
    """Whether it reads the world model's features, so that it is of this model alone."""

    reckoned: ClassVar[bool] = False
    """Whether `prepare` makes all of it, so that there is nothing to train."""

    @classmethod
    def facts(cls, task: Task, features: int) -> dict[str, Any]:
        """Options that nobody chooses: what it must know of the task, and of a model whose features it reads.

        Raises LookupError, naming what is missing, where there can be no such value for the task.
        """
        return {}

    @classmethod
    def read(cls, model: WorldModel, features: Tensor) -> Tensor:
        """The part of the model's features [..., F] that it reads."""
        return features

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        """Take in, before any training, what is computed once. `model` is frozen; None where `reads_model` is False."""
        return

    @abstractmethod
    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        """The objective of plans imagined in `model` for `task`, with this value at their end."""

    @classmethod
    def trainer(cls, config: Any, longest: int) -> TrainerConfig:
        """How it is trained on episodes of up to `longest` observations."""
        if cls.reckoned:
            return TrainerConfig(steps=1)
        length = min(config.length, longest)
        return TrainerConfig(
            steps=config.steps, batch=config.batch, length=length, learning_rate=config.learning_rate, ema=0.99
        )
