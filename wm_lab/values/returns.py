"""`value=return`: the discounted reward still to come, read off the features of a frozen world model.

Fitted lambda-returns (Munos & Szepesvari 2008, fitted value iteration; Schulman et al. 2016, lambda-returns):

    R_t = r_{t+1} + gamma c_{t+1} [(1 - lambda) V'(f_{t+1}) + lambda R_{t+1}]      c: the episode goes on
    loss = |tau - 1(R < V)| (R - V)^2                                              an expectile (Kostrikov et al. 2021)

V' is V as it was up to `refresh` steps ago. An expectile above a half leans to what the better of the recorded actions
earned. Each head of a small ensemble learns from its own targets, and the lowest of them counts: where data are few
they differ, and a planner looks for whatever is overrated.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import WindowSampler
from wm_lab.domains import Amount, Count, Domain, Few, Share, ShareBelowOne, Width
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.objectives import Objective
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.values.value import TrainedValueConfig, Value
from wm_lab.world_model import DataSpec, Windows, WorldModel


@dataclass
class ReturnValueConfig(TrainedValueConfig):
    gamma: ShareBelowOne = 0.95  # discount of a step: .95 looks about 20 steps beyond the horizon
    lam: Share = 0.9  # of lambda-returns: 1 believes the recorded rewards alone, 0 the value one step on
    expectile: Annotated[float, Domain(above=0, below=1)] = (
        0.7  # 0.5: the mean of what was done; more: the better of it
    )
    heads: Few = 3  # of the ensemble, whose lowest counts
    units: Width = 128  # of each of the two hidden layers of a head
    refresh: Count = 150  # steps between renewals of the targets
    context: Amount = 2  # observed steps of a window that only ready the world model's belief
    features: Annotated[int, Domain(least=0, most=10**6)] = 0  # of the world model; filled in


class ReturnValue(Value):
    """Discounted mean of future rewards, in units of a reward: (1 - gamma) times the discounted sum."""

    Config = ReturnValueConfig
    config: ReturnValueConfig
    reads_model = True
    follows_itself = True
    """Its loss is against its own guesses and says nothing of which weights are better: the newest are kept."""

    mean: Tensor  # [F] of the features
    std: Tensor  # [F]
    age: Tensor
    scale: Tensor

    def __init__(self, config: ReturnValueConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.heads = nn.ModuleList([mlp(config.features, config.units, 2, 1) for _ in range(config.heads)])
        for head in self.heads:
            zero(head[-1])  # type: ignore[index]
        self.targets = deepcopy(self.heads).requires_grad_(False)
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("std", torch.ones(config.features))
        self.register_buffer("age", torch.zeros((), dtype=torch.long))
        self.register_buffer("scale", torch.tensor(spec.std.get("reward", [1.0])[0]))
        self._world: tuple[WorldModel, ...] = ()  # in a tuple it is no part of this module, and is not trained

    @classmethod
    def facts(cls, task: Task, features: int) -> dict[str, Any]:
        return {"features": features}

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        assert model is not None
        self._world = (model.eval(),)
        length = min(self.config.length, int(dataset.table.length.max()) + 1)
        seen = WindowSampler(dataset, "train", 256, length, 0, keys=tuple(self.spec.observation)).sample()
        features = self._observed(seen.to(device_of(model)))[seen.valid].to(self.mean.device)
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp_min(1e-3))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        features = self._observed(windows)
        if torch.is_grad_enabled():
            self._renew_targets()
        targets = self._returns(features, windows)  # [K, B, T - 1]
        values = self.each(features[:, :-1])
        gap = targets - values
        tau = self.config.expectile
        counts = windows.valid[:, 1:] & ~windows.terminal[:, :-1] & self._seasoned(windows)[:, :-1]
        errors = torch.where(gap > 0, tau, 1 - tau) * gap.square() * counts
        total = errors.sum() / (counts.sum() * len(values)).clamp_min(1)
        mean = (values.mean(0) * counts).sum() / counts.sum().clamp_min(1)
        spread = (values.std(0, unbiased=False) * counts).sum() / counts.sum().clamp_min(1)
        return total, {"value": mean.detach(), "spread": spread.detach()}

    def each(self, features: Tensor) -> Tensor:
        """Of every head, in standard deviations of the reward: [..., F] -> [K, ...]."""
        return self._read(self.heads, features)

    def forward(self, features: Tensor) -> Tensor:
        """The lowest head, in units of the reward: [..., F] -> [...]."""
        return self.each(features).min(0).values * self.scale

    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        weight = self.config.weight
        return Objective(
            objective.terms, objective.final_weight, lambda features: weight * self(features), goal=objective.goal
        )

    def _observed(self, windows: Windows) -> Tensor:
        """The frozen model's features [B, T, F]."""
        (world,) = self._world
        with torch.no_grad():
            return world.to(self.scale.device).observe(windows)[1].features[:, 0]

    def _renew_targets(self) -> None:
        if int(self.age) % self.config.refresh == 0:
            self.targets.load_state_dict(self.heads.state_dict())
        self.age += 1

    @torch.no_grad()
    def _returns(self, features: Tensor, windows: Windows) -> Tensor:
        """Lambda-returns [K, B, T - 1] of all steps but the last, from where each episode or window ends backwards."""
        config = self.config
        values = self._read(self.targets, features)  # [K, B, T]
        rewards = (1 - config.gamma) * windows.reward / self.scale
        goes_on = config.gamma * (1 - windows.terminal.float())
        after, returns = values[..., -1], []
        for t in reversed(range(values.shape[-1] - 1)):
            mixed = (1 - config.lam) * values[..., t + 1] + config.lam * after
            target = rewards[:, t + 1] + goes_on[:, t + 1] * mixed
            after = torch.where(windows.valid[:, t + 1], target, values[..., t])
            returns.append(after)
        return torch.stack(returns[::-1], -1)

    def _seasoned(self, windows: Windows) -> Tensor:
        """Steps [B, T] at which the model has seen enough: from a window's `context` on, or since the episode began."""
        late = torch.arange(windows.shape[1], device=windows.valid.device) >= min(
            self.config.context, windows.shape[1] - 2
        )
        return late | (windows.first.cumsum(1) > 0)

    def _read(self, heads: nn.ModuleList, features: Tensor) -> Tensor:
        seen = (features - self.mean) / self.std
        return torch.stack([head(seen)[..., 0] for head in heads])
