"""Action heads over whole chunks: flow matching as in π0 (Black et al. 2024, arXiv 2410.24164), and its baseline.

    x_t = t ε + (1 − t) a      u = ε − a      loss = |v(x_t, t, condition) − u|²      t ~ Beta(1.5, 1) · 0.999 + 0.001

Noise stands at t = 1 and actions at t = 0 (openpi's direction; the paper's is the other one). A flow follows one of
several ways to act where a regression averages them into none.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import mlp, zero

LEAST_TIME = 0.001
"""Times are drawn above it (π0, §B): at t = 0 there is nothing left to learn."""

PERIODS = (4e-3, 4.0)
"""Shortest and longest wave that the time is written in (openpi)."""

WAVES = 8


class ActionHead(nn.Module, ABC):
    """From a condition [..., C] to the next `chunk` actions [..., chunk, A]."""

    draws = False
    """Whether noise decides: elsewhere it is not looked at."""

    def __init__(self, chunk: int, action_size: int):
        super().__init__()
        self.shape = (chunk, action_size)

    @abstractmethod
    def errors(self, condition: Tensor, actions: Tensor) -> Tensor:
        """What is to be small of every number of a chunk: [..., C], [..., chunk, A] -> [..., chunk, A]."""

    def loss(self, condition: Tensor, actions: Tensor) -> Tensor:
        """Mean error over a chunk: [..., C], [..., chunk, A] -> [...]."""
        return self.errors(condition, actions).mean((-1, -2))

    @abstractmethod
    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Unclipped actions [..., chunk, A]; noise, standard normal of that shape, decides where several would do."""


class RegressionHead(ActionHead):
    """The expected action: right where there is one way to act."""

    def __init__(self, condition: int, chunk: int, action_size: int, units: int, layers: int):
        super().__init__(chunk, action_size)
        self.net = mlp(condition, units, layers, chunk * action_size)

    def errors(self, condition: Tensor, actions: Tensor) -> Tensor:
        return (self._predict(condition) - actions).square()

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        return self._predict(condition)

    def _predict(self, condition: Tensor) -> Tensor:
        actions: Tensor = self.net(condition).unflatten(-1, self.shape)
        return actions


class FlowHead(ActionHead):
    """A sample of what was done in such a place, by `steps` Euler steps from noise to actions."""

    draws = True

    def __init__(self, condition: int, chunk: int, action_size: int, units: int, layers: int, steps: int):
        super().__init__(chunk, action_size)
        self.steps = steps
        self.velocity = mlp(chunk * action_size + 2 * WAVES + condition, units, layers, chunk * action_size)
        zero(self.velocity[-1])

    def errors(self, condition: Tensor, actions: Tensor) -> Tensor:
        t = flow_time(*condition.shape[:-1], device=condition.device)
        noise = torch.randn_like(actions)
        x = torch.lerp(actions, noise, t[..., None, None])
        return F.mse_loss(self._flow(x, t, condition), noise - actions, reduction="none")

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        x, dt = noise, 1 / self.steps
        for k in range(self.steps):
            t = torch.full(condition.shape[:-1], 1 - k * dt, device=condition.device)  # bfloat16 is too coarse for time
            x = x - dt * self._flow(x, t, condition)
        return x

    def _flow(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """v(x_t, t, condition), [..., chunk, A]"""
        velocity: Tensor = self.velocity(torch.cat([x.flatten(-2), waves(t), condition], -1)).unflatten(-1, self.shape)
        return velocity


def flow_time(*shape: int, device: torch.device) -> Tensor:
    """t ~ Beta(1.5, 1) in (0.001, 1]: the noisy end, where a chunk is decided, is drawn more often (π0, §B)."""
    # The inverse of Beta(1.5, 1)'s distribution function t ** 1.5.
    return torch.rand(shape, device=device) ** (1 / 1.5) * (1 - LEAST_TIME) + LEAST_TIME


def waves(t: Tensor) -> Tensor:
    """Sine and cosine of times [...] at `WAVES` periods, evenly spaced in their logarithm: [..., 2 * WAVES]."""
    shortest, longest = (math.log(period) for period in PERIODS)
    periods = torch.linspace(shortest, longest, WAVES, device=t.device).exp()
    angle = 2 * math.pi * t[..., None] / periods
    return torch.cat([angle.sin(), angle.cos()], -1)
