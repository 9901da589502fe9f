"""The simplest world that policies can be ranked in: the best linear one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

FAR = 20.0
"""Standard deviations of the data at which a state stops: an unstable fit would leave for infinity."""


@dataclass
class LinearWorldConfig:
    """There is nothing to choose."""


@dataclass
class LinearState(State):
    x: Tensor  # [B, D]


class LinearWorld(WorldModel):
    """Believes what it sees; a state changes by [x, action, 1] @ weights, as `DataSpec.linear` fits it. No rewards."""

    Config = LinearWorldConfig
    weights: Tensor

    def __init__(self, config: LinearWorldConfig, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        mean, std = (torch.tensor(values["state"], dtype=torch.float64) for values in (spec.mean, spec.std))
        self.low, self.high = nn.Buffer(mean - FAR * std), nn.Buffer(mean + FAR * std)
        self.weights = nn.Buffer(torch.tensor(spec.linear["state"], dtype=torch.float64))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError("fitted in closed form by the data's own statistics")

    def observe(self, windows: Windows, state: State | None = None) -> tuple[LinearState, Imagination]:
        x = windows.observation["state"].double()
        return LinearState(x[:, -1]), _imagination(x[:, None])

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        self.check_actions(state, actions, "BNHA")
        b, n = actions.shape[:2]
        _, steps = self.advance(state.expand(n), actions.flatten(0, 1))
        return steps.map(lambda part: part[:, 0].unflatten(0, (b, n)))

    def step(self, state: State, actions: Tensor) -> tuple[LinearState, Imagination]:
        assert isinstance(state, LinearState)
        self.check_actions(state, actions, "BA")
        x = state.x
        known = torch.cat([x, actions.double(), torch.ones_like(x[:, :1])], 1)
        after = (x + known @ self.weights).clamp(self.low, self.high)
        return LinearState(after), _imagination(after[:, None, None])

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return {"state": imagination.features}


def _imagination(x: Tensor) -> Imagination:
    """x: [B, N, H, D]"""
    return Imagination(x, torch.zeros_like(x[..., 0]), torch.ones_like(x[..., 0]))
