"""`value=distance`: steps to go from a state to a goal, learned from the times that lie between recorded moments.

A later moment of the same episode is a goal that was reached (hindsight, Andrychowicz et al. 2017). Pairs are drawn
over the whole range of times. Three ways to learn d(x, g):

    ranking      of two pairs the one with more steps between lies further apart, -log sigmoid (TRM, arXiv 2605.22164)
    regression   a low quantile of the steps between, which wandering makes too many of
    expectile    d(x_t, g) <- n + gamma^n d'(x_{t+n}, g), a low expectile, with goals of other episodes too (GCIVL, as
                 in OGBench, Park et al. 2025)
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.data.dataset import Dataset
from wm_lab.domains import Batch, Count, Domain, Steps, Width
from wm_lab.errors import unknown
from wm_lab.models.parts.blocks import mlp
from wm_lab.training.config import TrainerConfig
from wm_lab.values.goals import GoalValue, Ground
from wm_lab.values.value import TrainedValueConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

LEARNT_BY = ("ranking", "regression", "expectile")


@dataclass
class StepsToGoConfig(Ground, TrainedValueConfig):
    learnt_by: str = "expectile"  # ranking, regression or expectile
    low: Annotated[float, Domain(above=0, below=1)] = 0.1  # quantile or expectile of the steps between
    pairs: Batch = 64  # of a state and a goal, in each window
    ahead: Steps = 25  # n of the expectile's targets
    refresh: Count = 50  # steps between renewals of the expectile's targets
    units: Width = 192  # of each of the three hidden layers
    batch: Batch = 16  # windows in a gradient step, each a whole episode


class StepsToGo(GoalValue):
    Config = StepsToGoConfig
    config: StepsToGoConfig

    mean: Tensor
    std: Tensor
    moves: Tensor
    longest: Tensor
    typical: Tensor
    age: Tensor

    def __init__(self, config: StepsToGoConfig, spec: DataSpec) -> None:
        if config.learnt_by not in LEARNT_BY:
            raise unknown("value.learnt_by", config.learnt_by, LEARNT_BY)
        super().__init__(config, spec)
        size = len(spec.mean["state"])
        changes = torch.tensor(spec.changes.get("state", [True] * size))
        self.register_buffer("mean", torch.tensor(spec.mean["state"]), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std["state"]), persistent=False)
        # Numbers that stay as they are within an episode, such as its own goal, tell nothing of the way to another.
        self.register_buffer("moves", changes.nonzero()[:, 0], persistent=False)
        self.net = mlp(len(self.moves) + 2 * len(config.goal) + 1, config.units, 3, 1)
        self.target = deepcopy(self.net).requires_grad_(False)
        self.register_buffer("longest", torch.tensor(100.0))  # steps of an episode
        self.register_buffer("typical", torch.ones(()))
        self.register_buffer("age", torch.zeros((), dtype=torch.long))

    @property
    def follows_itself(self) -> bool:
        """See `ReturnValue`."""
        return self.config.learnt_by == "expectile"

    @classmethod
    def trainer(cls, config: StepsToGoConfig, longest: int) -> TrainerConfig:
        return TrainerConfig(
            steps=config.steps, batch=config.batch, length=longest, learning_rate=config.learning_rate, ema=0.99
        )

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        super().prepare(dataset, model)
        self.longest.fill_(float(dataset.table.length.max()))
        self.typical.fill_(float(dataset.table.length.mean()) / 3)  # between two random moments of an episode

    def way(self, states: Tensor, goals: Tensor) -> Tensor:
        return self.steps_to_go(self.net, states, goals) / self.typical

    def steps_to_go(self, net: nn.Module, states: Tensor, goals: Tensor) -> Tensor:
        """[..., D], [..., G] -> [...], of a ranking up to a growing function."""
        here, at = (states - self.mean) / self.std, self.config.goal
        there = (goals - self.mean[at]) / self.std[at]
        gap = here[..., at] - there
        read = torch.cat([here[..., self.moves], there, gap, gap.norm(dim=-1, keepdim=True)], -1)
        steps: Tensor = self.longest * F.softplus(net(read)[..., 0])
        return steps

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        states, ends = windows.observation["state"], windows.valid.sum(1)
        rows = torch.arange(len(ends), device=ends.device).repeat_interleave(self.config.pairs)
        ends = ends[rows]
        early, late = (torch.rand(2, len(rows), device=ends.device) * ends).long().sort(dim=0).values
        goals = states[rows, late][:, self.config.goal]
        steps = (late - early).float()
        if self.config.learnt_by == "expectile":
            loss = self._expectile(states, rows, early, late, ends, goals)
        else:
            found = self.steps_to_go(self.net, states[rows, early], goals)
            loss = self._ranking(found, steps) if self.config.learnt_by == "ranking" else self._quantile(found, steps)
        return loss, {"steps": steps.mean()}

    def _ranking(self, found: Tensor, steps: Tensor) -> Tensor:
        """Every pair [M] against another one, shuffled."""
        other = torch.randperm(len(found), device=found.device)
        further = (steps - steps[other]).sign()
        loss = F.softplus(-further * (found - found[other]) * (10.0 / self.longest)) * further.abs()
        return loss.mean()

    def _quantile(self, found: Tensor, steps: Tensor) -> Tensor:
        gap = torch.log1p(steps) - torch.log1p(found)
        return torch.where(gap > 0, self.config.low, self.config.low - 1).mul(gap).mean()

    def _expectile(
        self, states: Tensor, rows: Tensor, early: Tensor, late: Tensor, ends: Tensor, goals: Tensor
    ) -> Tensor:
        """Half of the goals are those of other pairs, which nobody reached from here, or not within the window."""
        if torch.is_grad_enabled():
            if int(self.age) % self.config.refresh == 0:
                self.target.load_state_dict(self.net.state_dict())
            self.age += 1
        n, gamma = self.config.ahead, 1 - 1 / (2 * self.longest)
        foreign = torch.rand(len(rows), device=rows.device) < 0.5
        goals = torch.where(foreign[:, None], goals[torch.randperm(len(rows), device=rows.device)], goals)
        last = torch.where(foreign, ends - 1, late)
        then = torch.minimum(early + n, last)
        here, ahead = states[rows, early], states[rows, then]
        near = (here[:, self.config.goal] - goals).norm(dim=-1) <= self.config.cell * self.config.tolerance
        arrived = ~foreign & (then == late)
        passed = (then - early).float()
        with torch.no_grad():
            rest = gamma**passed * self.steps_to_go(self.target, ahead, goals)
            target = torch.where(near, 0.0, passed + torch.where(arrived, 0.0, rest))
        counts = near | arrived | (passed > 0)
        gap = (target - self.steps_to_go(self.net, here, goals)) / self.longest
        loss = torch.where(gap > 0, self.config.low, 1 - self.config.low) * gap.square() * counts
        mean: Tensor = loss.sum() / counts.sum().clamp_min(1)
        return mean
