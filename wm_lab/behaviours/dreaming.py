"""What a behaviour learns from: beliefs along recorded steps, and dreams in which it acts from each of them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from wm_lab.world_model import State, Windows, WorldModel

Act = Callable[[Tensor], Tensor]
"""features [S, F] -> actions [S, A]; what exceeds [-1, 1] is clipped before the model sees it."""


class Dreamt(NamedTuple):
    """Dreams of H steps from S starts; index 0 of the states is the start, whose rewards are none of the dream."""

    features: Tensor  # [S, H + 1, F]
    action: Tensor  # [S, H, A] as chosen, unclipped
    reward: Tensor  # [S, H + 1], 0 at the start
    goes_on: Tensor  # [S, H + 1] in [0, 1], 1 at the start
    uncertainty: Tensor | None  # [S, H + 1], 0 at the start

    def earned(self) -> Tensor:
        """Rewards [S], as far as the dreamt episode is still going on."""
        return (self.goes_on.cumprod(1)[:, :-1] * self.reward[:, 1:]).sum(1)


@torch.no_grad()
def believe(world: WorldModel, windows: Windows) -> tuple[State, Tensor]:
    """The belief after each of T recorded steps, as B * T rows (window after window), and features [B, T, F]."""
    states, features, state = [], [], None
    for t in range(windows.shape[1]):
        state, seen = world.observe(windows[:, t : t + 1], state)
        states.append(state)
        features.append(seen.features[:, 0, 0])
    b, steps = windows.shape
    order = torch.arange(b * steps, device=features[0].device).view(steps, b).T.flatten()
    return type(states[0]).concatenated(states)[order], torch.stack(features, 1)


def dream(world: WorldModel, state: State, features: Tensor, act: Act, horizon: int) -> Dreamt:
    """Act from S beliefs on, whose features are [S, F]. Gradients pass where they are enabled."""
    now, steps, actions = features, [], []
    for _ in range(horizon):
        action = act(now)
        state, seen = world.step(state, action.clamp(-1, 1))
        now = seen.features[:, 0, 0]
        actions.append(action)
        steps.append(seen)

    def with_start(parts: list[Tensor], start: float) -> Tensor:
        first = torch.full_like(parts[0], start)
        return torch.stack([first, *parts], 1).float()

    unsure = [seen.uncertainty[:, 0, 0] for seen in steps if seen.uncertainty is not None]
    return Dreamt(
        features=torch.stack([features, *(seen.features[:, 0, 0] for seen in steps)], 1),
        action=torch.stack(actions, 1),
        reward=with_start([seen.reward[:, 0, 0] for seen in steps], 0.0),
        goes_on=with_start([seen.continue_probability[:, 0, 0] for seen in steps], 1.0),
        uncertainty=with_start(unsure, 0.0) if unsure else None,
    )
