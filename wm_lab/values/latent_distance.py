"""`value=latent_distance`: steps to go from what a frozen world model shows of one moment to what it shows of another.

Read off the embeddings of any family, states or pictures, to the goal that whoever plays was given: the metric that a
straight line through a latent is not (TRM, arXiv 2605.22164). `ways.py` says how it is learned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.window_reader import WindowReader
from wm_lab.domains import Domain
from wm_lab.objectives import GoalFeatures, Objective
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.training.config import TrainerConfig
from wm_lab.values.value import Value
from wm_lab.values.ways import Ways, WaysConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel


@dataclass
class LatentWayConfig(WaysConfig):
    alone: bool = True  # plans are judged by the way to go alone; false: beside the objective's terms
    features: Annotated[int, Domain(least=0, most=10**6)] = 0  # of what the world model shows; filled in


class LatentWay(Value):
    """Minus the way to the goal, 1 where it is as long as between two random moments of an episode."""

    Config = LatentWayConfig
    config: LatentWayConfig
    reads_model = True

    def __init__(self, config: LatentWayConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        every = list(range(config.features))
        self.ways = Ways(config, config.features, every, every)
        self.points = torch.zeros(2, config.features)  # [M, F], what is shown of all steps of all episodes
        self.lengths = torch.tensor([2])  # [E], how many of these are an episode's

    @property
    def follows_itself(self) -> bool:
        """See `ReturnValue`."""
        return self.config.learnt_by == "expectile"

    @classmethod
    def facts(cls, task: Task, features: int) -> dict[str, Any]:
        task.goal_observation()
        return {"features": features}

    @classmethod
    def read(cls, model: WorldModel, features: Tensor) -> Tensor:
        return model.appearance(features)

    @classmethod
    def trainer(cls, config: LatentWayConfig, longest: int) -> TrainerConfig:
        return replace(config.trained_on(longest), length=2)  # of its windows it reads nothing

    @torch.no_grad()
    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        """What the model shows of all training episodes, looked at once."""
        assert model is not None
        episodes = dataset.episodes("train")
        lengths = torch.from_numpy(dataset.table.length[episodes]) + 1
        reader = WindowReader(dataset, int(lengths.max()), model.observation_keys)
        shown = []
        for episode, length in zip(torch.from_numpy(episodes), lengths.tolist(), strict=True):
            first = torch.from_numpy(dataset.table.offset)[episode]
            seen = reader.read(episode[None], first[None])[:, :length].to(device_of(model))
            shown.append(model.appearance(model.eval().observe(seen)[1].features[0, 0]))
        self.points, self.lengths = torch.cat(shown), lengths
        self.ways.prepare(lengths - 1, self.points.mean(0), self.points.std(0).clamp_min(1e-3))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Of as many whole episodes as there are windows, drawn anew."""
        device = self.ways.mean.device
        chosen = torch.randint(len(self.lengths), windows.shape[:1])
        lengths, first = self.lengths[chosen], (self.lengths.cumsum(0) - self.lengths)[chosen]
        steps = torch.arange(int(self.lengths.max()))
        valid = steps < lengths[:, None]
        rows = first[:, None] + torch.minimum(steps, lengths[:, None] - 1)
        return self.ways.loss(self.points.to(device)[rows.to(device)], valid.to(device))

    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        config, goal = self.config, objective.goal or GoalFeatures()

        def still_to_go(features: Tensor) -> Tensor:
            here, there = model.appearance(features), model.appearance(goal.known())[:, None]
            score: Tensor = -config.weight * self.ways(here, there.expand_as(here))
            return score

        terms = [] if config.alone else objective.terms
        final_weight = 0.0 if config.alone else objective.final_weight
        return Objective(terms, final_weight, still_to_go, mortal=False, goal=goal)
