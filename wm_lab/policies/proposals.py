"""Policy proposals for a planner: action sequences of a cloned policy, rolled out in the world model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Domain, Spread
from wm_lab.errors import UserError
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.history import History
from wm_lab.policy import Moment
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import DataSpec, State, WorldModel

CORRELATION = 0.8
"""Of the noise in neighbouring steps: uncorrelated noise averages out before the robot has moved."""


FULL_SPREAD = 0.5
"""Deviation of a demonstrated action from which on its dimension is disturbed in full."""


def demonstrated_share(spec: DataSpec) -> Tensor:
    """How far each action dimension may be disturbed, [A] in [0, 1]: min(1, demonstrated deviation / FULL_SPREAD).

    A clone is lost where its demonstrator never went: a hand that was always held upright and is tilted by a degree or
    two is brought back by nobody. Ones where no deviation is known, as of clones that were trained before it was kept.
    """
    if not spec.action_std:
        return torch.ones(spec.action_size)
    return (torch.tensor(spec.action_std) / FULL_SPREAD).clamp_max(1.0)


@dataclass
class ProposalsConfig:
    count: Annotated[int, Domain(least=0, most=2**17)] = 0  # sequences that join each search; 0: none
    noise: Spread = 0.3
    """Standard deviation added to the last one, rising from 0 for the first; less where demonstrations moved less."""


class BCProposals:
    """Sequences [R, P, H, A] that a cloned policy would execute (MBOP, Argenson & Dulac-Arnold 2021).

    Where the model decodes the policy's observations, the policy acts closed loop on imagined observations, chunk by
    chunk. Where it does not, the present chunk is executed and its last action held. The first one is free of noise.
    """

    REVISION: ClassVar[int] = 1
    """Raise it with any change of what is proposed: played episodes of different revisions do not mix."""

    def __init__(self, config: ProposalsConfig, net: BehaviourCloning) -> None:
        require_any(config)
        self.config, self.net = config, net
        self.observation_keys = net.observation_keys
        self._history = History(net.observation_keys, net.config.history)

    def start(self, rows: int) -> None:
        self.net.eval()
        self._history.start(rows)

        self._told = torch.zeros(rows, dtype=torch.long)

    def reset(self, row: int, task: Task) -> None:
        self._told[row] = self.net.number(task.instruction) if self.net.config.language else 0

    def update(self, moment: Moment) -> None:
        self._history.update(moment)

    @torch.inference_mode()
    def propose(
        self, rows: np.ndarray, model: WorldModel, belief: State, horizon: int, generators: list[torch.Generator]
    ) -> Tensor:
        """[R, P, H, A] in [-1, 1]; generators: one a row."""
        device = device_of(self.net)
        noise = self._noise(horizon, generators).to(device)  # [R, P, H, A]
        history = self._history.stacked(rows, device)
        history = {
            key: value[:, None].expand(-1, self.config.count, *value.shape[1:]) for key, value in history.items()
        }
        closed_loop = set(self.net.observation_keys) <= set(model.decoded_keys)

        told = {}
        if self.net.config.language:
            told["told"] = self._told[rows].to(device)[:, None].expand(-1, self.config.count)
        actions = chunk = noise[:, :, :0]
        reached: State | None = None  # [R P] the belief after all actions but the newest chunk
        while actions.shape[2] < horizon:
            done = actions.shape[2]
            if done and closed_loop:
                reached = belief.expand(self.config.count) if reached is None else reached
                reached, history = self._react(model, reached, actions[:, :, -chunk.shape[2] :], history)
            chunk = self.net(history, **told) if closed_loop or not done else chunk[:, :, -1:]
            chunk = chunk[:, :, : horizon - done]
            actions = torch.cat([actions, chunk + noise[:, :, done : done + chunk.shape[2]]], dim=2).clamp(-1, 1)
        return actions

    def _react(
        self, model: WorldModel, belief: State, actions: Tensor, history: dict[str, Tensor]
    ) -> tuple[State, dict[str, Tensor]]:
        """The beliefs [R P] and the observation history {key: [R, P, history, ...]} after actions [R, P, H, A] more."""
        length, (r, p) = self.net.config.history, actions.shape[:2]
        belief, imagined = model.advance(belief, actions.flatten(0, 1))
        newest = imagined.map(lambda part: part[:, 0, -length:].reshape(r, p, -1, *part.shape[3:]))
        decoded = model.decode(newest)
        return belief, {
            key: torch.cat([past, decoded[key].to(past.dtype)], dim=2)[:, :, -length:] for key, past in history.items()
        }

    def _noise(self, horizon: int, generators: list[torch.Generator]) -> Tensor:
        """Temporally correlated noise [R, P, H, A]; its scale rises from 0 for the first proposal to `noise`.

        Of each action dimension it is the share that was demonstrated.
        """
        noise = correlated_noise(self.config, horizon, self.net.spec.action_size, generators)
        return demonstrated_share(self.net.spec) * noise


def require_any(config: ProposalsConfig) -> None:
    """UserError where nothing would be proposed."""
    if config.count < 1:
        raise UserError(f"mpc.proposals.count={config.count} proposes nothing; give at least 1")


def correlated_noise(
    config: ProposalsConfig, horizon: int, action_size: int, generators: Sequence[torch.Generator]
) -> Tensor:
    """[R, P, H, A]; its scale rises from 0 for the first proposal to `noise`."""
    white = torch.stack([torch.randn(config.count, horizon, action_size, generator=g) for g in generators])
    steps = [white[:, :, 0]]
    for step in range(1, horizon):
        steps.append(CORRELATION * steps[-1] + (1 - CORRELATION**2) ** 0.5 * white[:, :, step])
    scale = torch.linspace(0, config.noise, config.count) if config.count > 1 else torch.zeros(1)
    return scale[:, None, None] * torch.stack(steps, dim=2)
