"""`value=latent_distance`: steps to go from what a frozen world model shows of one moment to what it shows of another.

Read off the embeddings of any family, states or pictures, to the goal that whoever plays was given: the metric that a
straight line through a latent is not (TRM, arXiv 2605.22164). `ways.py` says how it is learned.

The same way tells where a model imagines the impossible: a dot that passes through a wall gets further in a few steps
than any did in the data, since the way that was learned leads around. Plans pay for such leaps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from wm_lab.data.dataset import Dataset
from wm_lab.data.window_reader import WindowReader
from wm_lab.domains import Domain, Steps, Weight
from wm_lab.objectives import GoalFeatures, Objective, Term
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.training.config import TrainerConfig
from wm_lab.values.value import Value
from wm_lab.values.ways import Ways, WaysConfig
from wm_lab.world_model import DataSpec, Imagination, Windows, WorldModel

USUAL = 0.99
"""Quantile of recorded stretches: what is longer is a leap."""


@dataclass
class LatentWayConfig(WaysConfig):
    alone: bool = True  # plans are judged by the way to go alone; false: beside the objective's terms
    leaps: Weight = 10.0
    """Price of what stretches of an imagined way are longer, on average, than recorded ones are; 0: none."""
    stretch: Steps = 5  # steps in such a stretch
    features: Annotated[int, Domain(least=0, most=10**6)] = 0  # of what the world model shows; filled in


class LatentWay(Value):
    """Minus the way to the goal, 1 where it is as long as between two random moments of an episode."""

    Config = LatentWayConfig
    config: LatentWayConfig
    reads_model = True

    farthest: Tensor  # a recorded stretch leads, in the unit of `Ways`

    def __init__(self, config: LatentWayConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        every = list(range(config.features))
        self.ways = Ways(config, config.features, every, every)
        self.register_buffer("farthest", torch.ones(()))
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
        points = self.points.to(device)[rows.to(device)]
        if self.config.leaps and torch.is_grad_enabled():
            self._measure_stretches(points, lengths.to(device))
        return self.ways.loss(points, valid.to(device))

    @torch.no_grad()
    def _measure_stretches(self, points: Tensor, lengths: Tensor) -> None:
        """How far recorded stretches lead, of episodes with points [B, T, F]; checkpoints hold its running mean."""
        rows = (lengths > self.config.stretch).nonzero()[:, 0].repeat_interleave(self.config.pairs)
        if len(rows):
            room = lengths[rows] - self.config.stretch
            start = (torch.rand(len(rows), device=rows.device) * room).long()
            way = self.ways(points[rows, start], points[rows, start + self.config.stretch])
            self.farthest.copy_(way.quantile(USUAL))

    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        config, goal = self.config, objective.goal or GoalFeatures()

        def still_to_go(features: Tensor) -> Tensor:
            here, there = model.appearance(features), model.appearance(goal.known())[:, None]
            score: Tensor = -config.weight * self.ways(here, there.expand_as(here))
            return score

        terms: list[tuple[float, Term]] = [] if config.alone else list(objective.terms)
        if config.leaps:
            terms.append((config.leaps, Leaps(self, model)))
        final_weight = 0.0 if config.alone else objective.final_weight
        return Objective(terms, final_weight, still_to_go, mortal=False, goal=goal)


class Leaps:
    """A term: minus what each stretch of an imagined way is longer, by the learned distance, than recorded ones are.

    Every step of a stretch says so. Stretches begin with the first imagined step, and the last may be shorter.
    """

    told: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, value: LatentWay, model: WorldModel) -> None:
        self.value, self.model = value, model

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        features = imagination.features
        marks = torch.tensor(self._marks(features.shape[2]), device=features.device)
        shown = self.model.appearance(features[:, :, marks])
        way = self.value.ways(shown[:, :, :-1], shown[:, :, 1:])
        leap = (way - self.value.farthest).clamp_min(0)  # [B, N, stretches]
        return -F.pad(leap.repeat_interleave(marks.diff(), -1), (1, 0))

    def looks_at(self, horizon: int) -> set[int]:
        return set(self._marks(horizon))

    def _marks(self, horizon: int) -> list[int]:
        """The steps at which stretches begin, and the last one."""
        return [*range(0, horizon - 1, self.value.config.stretch), horizon - 1]
