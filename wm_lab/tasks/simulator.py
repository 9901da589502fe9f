"""`model=simulator`: the true dynamics behind the contract of a world model, the oracle row of every table.

Its belief is the simulator's own snapshot, so it is privileged, it never errs, and there is nothing to learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Threads
from wm_lab.errors import UserError
from wm_lab.tasks.task import Task
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel


@dataclass
class SimulatorConfig:
    """How hard the simulator works."""

    threads: Threads = 1
    """Processor cores to play futures on."""


@dataclass
class SimulatorState(State):
    """Where B simulations stand."""

    snapshot: Tensor  # [B, S] float64


class Simulator(WorldModel):
    """Plays `task` itself. Features are true state observations, rewards are those that the task pays."""

    Config = SimulatorConfig

    def __init__(self, config: SimulatorConfig, task: Task) -> None:
        super().__init__()
        self.config = config
        self._task = task
        self.spec = DataSpec({"snapshot": task.snapshot().shape}, task.task_spec.action_size)

    @property
    def decoded_keys(self) -> tuple[str, ...]:
        return ("state",)

    @property
    def goal_keys(self) -> tuple[str, ...]:
        return ("state",)

    def encode_goal(self, goal: Mapping[str, Tensor]) -> Tensor:
        return goal["state"]

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise UserError("model=simulator is the true dynamics and has nothing to learn; plan with it, or train another")

    def observe(self, windows: Windows, state: State | None = None) -> tuple[SimulatorState, Imagination]:
        """Reads windows.observation["snapshot"] [B, T, S] float64; the belief is the last one, whatever came before."""
        snapshots = windows.observation["snapshot"]
        if snapshots.dtype != torch.float64:
            raise UserError(f"snapshots must be float64 to go on from exactly; found {snapshots.dtype}")
        batch, steps, size = snapshots.shape
        flat = snapshots.reshape(-1, size).cpu().numpy()
        states = self._task.states(flat).reshape(batch, 1, steps, -1)
        rewards = self._task.rewards(flat).reshape(batch, 1, steps)
        return SimulatorState(snapshots[:, -1]), _imagination(states, rewards, snapshots.device)

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        """Plays actions [B, N, H, A] from B snapshots; features [B, N, H, D] are state observations."""
        self.check_actions(state, actions, "BNHA")
        played = self._task.futures(_snapshots(state), actions.detach().cpu().numpy(), self.config.threads)
        return _imagination(played.states, played.rewards, actions.device)

    def step(self, state: State, actions: Tensor) -> tuple[SimulatorState, Imagination]:
        self.check_actions(state, actions, "BA")
        after = self._task.successors(_snapshots(state), actions.detach().cpu().numpy())
        states, rewards = (part[:, None, None] for part in (self._task.states(after), self._task.rewards(after)))
        return SimulatorState(torch.from_numpy(after).to(actions.device)), _imagination(states, rewards, actions.device)

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return {"state": imagination.features}


def _snapshots(state: State) -> np.ndarray:
    if not isinstance(state, SimulatorState):
        raise TypeError(f"the simulator goes on from a SimulatorState, not from {type(state).__name__}")
    return state.snapshot.cpu().numpy()


def _imagination(states: np.ndarray, rewards: np.ndarray, device: torch.device) -> Imagination:
    reward = torch.from_numpy(rewards).to(device)
    return Imagination(torch.from_numpy(states).to(device), reward, torch.ones_like(reward))
