"""Steps to go from one moment to another, learned from the times that lie between recorded ones.

A later moment of the same episode is a goal that was reached (hindsight, Andrychowicz et al. 2017). Pairs are drawn
over the whole range of times. Four ways to learn d(x, g):

    quasimetric  as far apart as may be, while d(x_t, x_{t+n}) <= n: a triangle inequality that holds by construction
                 makes of short ways the shortest one (QRL, Wang et al. 2023, arXiv 2304.01203)
    expectile    d(x_t, g) <- n + gamma^n d'(x_{t+n}, g), a low expectile, with goals of other episodes too (GCIVL, as
                 in OGBench, Park et al. 2025)
    regression   a low quantile of the steps between, which wandering makes too many of
    ranking      of two pairs the one with more steps between lies further apart, -log sigmoid (TRM, arXiv 2605.22164)
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Batch, Count, Domain, Positive, Steps, Width
from wm_lab.errors import unknown
from wm_lab.models.parts.blocks import mlp
from wm_lab.training.config import TrainerConfig
from wm_lab.values.quasimetric import Quasimetric, interval_distance
from wm_lab.values.value import TrainedValueConfig

LEARNT_BY = ("quasimetric", "expectile", "regression", "ranking")

CURRENT, FUTURE = 0.2, 0.5
"""Shares of goals that are the moment itself and a later one of its episode; others are of other episodes (GCIVL)."""


@dataclass
class WaysConfig(TrainedValueConfig):
    learnt_by: str = "quasimetric"  # quasimetric, expectile, regression or ranking
    low: Annotated[float, Domain(above=0, below=1)] = 0.1  # quantile or expectile of the steps between
    pairs: Batch = 64  # of a state and a goal, in each window
    ahead: Steps = 25  # n of the quasimetric's short ways, which are up to so long, and of the expectile's targets
    short: Positive = 15.0  # how much the quasimetric's ways weigh that are longer than what was walked
    refresh: Count = 50  # steps between renewals of the expectile's targets
    units: Width = 192  # of each of the three hidden layers
    batch: Batch = 16  # windows in a gradient step, each a whole episode

    def __post_init__(self) -> None:
        if self.learnt_by not in LEARNT_BY:
            raise unknown("value.learnt_by", self.learnt_by, LEARNT_BY)

    def trained_on(self, longest: int) -> TrainerConfig:
        """Whole episodes of up to `longest` observations."""
        return TrainerConfig(
            steps=self.steps, batch=self.batch, length=longest, learning_rate=self.learning_rate, ema=0.99
        )


class Ways(nn.Module):
    """Steps from points [..., D] to goals [..., G], which are some of a point's numbers."""

    longest: Tensor
    typical: Tensor
    age: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        config: WaysConfig,
        size: int,
        moves: list[int],
        goal: list[int],
        near: float = 0.0,
        frequencies: Sequence[float] = (),
    ) -> None:
        """moves: which of the `size` numbers of a point are read; goal: which are a goal's

        near: how far from a goal, in its own unit, it is reached; frequencies: see `Quasimetric`
        """
        super().__init__()
        self.config, self.moves, self.goal, self.near = config, moves, goal, near
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("std", torch.ones(size))
        self.register_buffer("longest", torch.tensor(100.0))  # steps of an episode
        self.register_buffer("typical", torch.ones(()))
        self.register_buffer("age", torch.zeros((), dtype=torch.long))
        self.net: nn.Module
        if config.learnt_by == "quasimetric":
            self.net = Quasimetric(len(goal), config.units, frequencies)
        else:
            self.net = mlp(len(moves) + 2 * len(goal) + 1, config.units, 3, 1)
        self.target = deepcopy(self.net).requires_grad_(False) if config.learnt_by == "expectile" else None

    def prepare(self, lengths: Tensor, mean: Tensor, std: Tensor) -> None:
        """Of episodes with so many steps, whose points have this mean and standard deviation."""
        self.longest.fill_(float(lengths.max()))
        self.typical.fill_(float(lengths.float().mean()) / 3)  # between two random moments of an episode
        self.mean.copy_(mean)
        self.std.copy_(std)

    def forward(self, points: Tensor, goals: Tensor) -> Tensor:
        """[..., D], [..., G] -> [...], 1 where it is as far as between two random moments of an episode."""
        return self.steps_to_go(self.net, points, goals) / self.typical

    @torch.no_grad()
    def apart(self, points: Tensor) -> Tensor:
        """How far points [M, D] are from one another, there and back on average: [M, M], in the unit of `forward`."""
        if isinstance(self.net, Quasimetric):
            embedded = self.net.embed((points - self.mean)[:, self.goal] / self.std[self.goal])
            rows = [interval_distance(one.expand_as(embedded), embedded) for one in embedded]
            there = self.config.ahead * torch.stack(rows) / self.typical
        else:
            there = torch.stack([self(one.expand_as(points), points[:, self.goal]) for one in points])
        return (there + there.T) / 2

    def steps_to_go(self, net: nn.Module, points: Tensor, goals: Tensor) -> Tensor:
        """[..., D], [..., G] -> [...], of a ranking up to a growing function."""
        here, at = (points - self.mean) / self.std, self.goal
        there = (goals - self.mean[at]) / self.std[at]
        if isinstance(net, Quasimetric):
            way: Tensor = self.config.ahead * net(here[..., at], there)
            return way
        gap = here[..., at] - there
        read = torch.cat([here[..., self.moves], there, gap, gap.norm(dim=-1, keepdim=True)], -1)
        steps: Tensor = self.longest * F.softplus(net(read)[..., 0])
        return steps

    def loss(self, points: Tensor, valid: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Of whole episodes, points [B, T, D] that are valid [B, T]."""
        ends = valid.sum(1)
        rows = torch.arange(len(ends), device=ends.device).repeat_interleave(self.config.pairs)
        ends = ends[rows]
        early, late = (torch.rand(2, len(rows), device=ends.device) * ends).long().sort(dim=0).values
        steps = (late - early).float()
        if self.config.learnt_by == "quasimetric":
            return self._quasimetric(points, rows, early, ends), {"steps": steps.mean()}
        goals = points[rows, late][:, self.goal]
        if self.config.learnt_by == "expectile":
            return self._expectile(points, rows, early, late, ends, goals), {"steps": steps.mean()}
        found = self.steps_to_go(self.net, points[rows, early], goals)
        loss = self._ranking(found, steps) if self.config.learnt_by == "ranking" else self._quantile(found, steps)
        return loss, {"steps": steps.mean()}

    def _quasimetric(self, points: Tensor, rows: Tensor, early: Tensor, ends: Tensor) -> Tensor:
        """In units of the longest short ways. Beyond twice an episode nothing is pushed further apart."""
        unit = self.config.ahead
        passed = torch.randint(1, unit + 1, early.shape, device=early.device)
        late = torch.minimum(early + passed, ends - 1)
        here, soon = points[rows, early], points[rows, late][:, self.goal]
        walked = self.steps_to_go(self.net, here, soon) / unit
        apart = self.steps_to_go(self.net, here, soon[torch.randperm(len(soon), device=soon.device)]) / unit
        too_long = (walked - (late - early) / unit).clamp_min(0).square().mean()
        return F.softplus(2 * self.longest / unit - apart, beta=0.1).mean() + self.config.short * too_long

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
        self, points: Tensor, rows: Tensor, early: Tensor, late: Tensor, ends: Tensor, goals: Tensor
    ) -> Tensor:
        """Some goals are those of other pairs, which nobody reached from here, or not within the window."""
        assert self.target is not None
        if torch.is_grad_enabled():
            if int(self.age) % self.config.refresh == 0:
                self.target.load_state_dict(self.net.state_dict())
            self.age += 1
        n, gamma = self.config.ahead, 1 - 1 / (2 * self.longest)
        kind = torch.rand(len(rows), device=rows.device)
        foreign, same = kind >= CURRENT + FUTURE, kind < CURRENT
        late = torch.where(same, early, late)
        here = points[rows, early]
        goals = torch.where(same[:, None], here[:, self.goal], goals)
        goals = torch.where(foreign[:, None], goals[torch.randperm(len(rows), device=rows.device)], goals)
        then = torch.minimum(early + n, torch.where(foreign, ends - 1, late))
        arrived = ~foreign & (then == late)
        near = ((here[:, self.goal] - goals).norm(dim=-1) <= self.near) | same
        passed = (then - early).float()
        with torch.no_grad():
            rest = gamma**passed * self.steps_to_go(self.target, points[rows, then], goals)
            target = torch.where(near, 0.0, passed + torch.where(arrived, 0.0, rest))
        counts = near | arrived | (passed > 0)
        gap = (target - self.steps_to_go(self.net, here, goals)) / self.longest
        loss = torch.where(gap > 0, self.config.low, 1 - self.config.low) * gap.square() * counts
        mean: Tensor = loss.sum() / counts.sum().clamp_min(1)
        return mean
