"""Worlds whose best behaviour is known, as their own perfect models."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.policies.linear_world import LinearModel, PointState
from wm_lab.behaviours.behaviour import Behaviour, with_features
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

BEST = 0.5
"""The action that the bandit pays most for."""


def spec_of(observation: Tensor, action_size: int, reward_std: float) -> DataSpec:
    size = observation.shape[-1]
    spec = DataSpec({"state": (size,)}, action_size, std={"reward": [reward_std]})
    return with_features(spec, observation.reshape(-1, size))


def windows_of(state: Tensor, action_size: int = 1) -> Windows:
    """Steps [B, T, D] of which each stands for itself: every one begins an episode."""
    b, steps = state.shape[:2]
    yes = torch.ones(b, steps, dtype=torch.bool)
    return Windows({"state": state}, torch.zeros(b, steps, action_size), torch.zeros(b, steps), yes, ~yes, yes)


class Bandit(WorldModel):
    """One action a, and the episode ends with -(a - BEST)²."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = DataSpec({"state": (1,)}, 1)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def observe(self, windows: Windows, state: State | None = None) -> tuple[PointState, Imagination]:
        x = windows.observation["state"]
        zero = torch.zeros(len(x))
        return PointState(x[:, -1], zero, zero[:, None]), Imagination(x[:, None], x[:, None, :, 0], x[:, None, :, 0])

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        paid = -(actions[..., 0] - BEST).square()
        return Imagination(torch.ones_like(actions), paid, torch.zeros_like(paid))

    def step(self, state: State, actions: Tensor) -> tuple[State, Imagination]:
        return state, self.imagine(state, actions[:, None, None])

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return {"state": imagination.features}


class SteppedLinear(LinearModel):
    """The linear system with quadratic cost, one step at a time."""

    def step(self, state: State, actions: Tensor) -> tuple[PointState, Imagination]:
        assert isinstance(state, PointState)
        seen = self.imagine(state, actions[:, None, None])
        return PointState(seen.features[:, 0, 0], state.steps + 1, actions), seen


def learn(behaviour: Behaviour, starts: Tensor, steps: int, batch: int, rate: float) -> None:
    """Plain training from random rows of `starts` [M, D], with a rate that falls to zero."""
    optimiser = torch.optim.AdamW(behaviour.parameters(), rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    behaviour.train()
    for _ in range(steps):
        loss, _ = behaviour.loss(windows_of(starts[torch.randint(len(starts), (batch // 2, 2))]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    behaviour.eval()
