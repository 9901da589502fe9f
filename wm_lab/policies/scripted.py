"""Policies that learn nothing: the reference rows of every table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wm_lab.errors import UserError
from wm_lab.policies.seeding import derive_seed
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Expert, Task


class ExpertPolicy(Policy):
    """The task's own scripted expert. Privileged: it reads the simulator's state."""

    def start(self, rows: int) -> None:
        self._tasks: list[Task | None] = [None] * rows
        self._experts: list[Expert | None] = [None] * rows

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._tasks[row] = task

    def act(self, moment: Moment) -> np.ndarray:
        actions = np.stack([self._act(row, first) for row, first in zip(moment.rows, moment.first, strict=True)])
        clipped: np.ndarray = actions.clip(-1, 1)
        return clipped

    def _act(self, row: int, first: bool) -> np.ndarray:
        # Made at the first step, after the task was reset: an expert is bound to a running episode.
        expert, task = self._experts[row], self._tasks[row]
        if first or expert is None:
            if task is None:
                raise RuntimeError(f"row {row} acts before it was reset")
            expert = self._experts[row] = self._guide(task)
        return np.asarray(expert.act(), np.float32)

    def _guide(self, task: Task) -> Expert:
        return task.expert()


class StraightLinePolicy(ExpertPolicy):
    """Straight at the goal. Privileged likewise."""

    def _guide(self, task: Task) -> Expert:
        return task.straight_line()


@dataclass
class RandomPolicyConfig:
    correlation: float = 0.8  # of neighbouring steps; without it the robot only jitters in place
    scale: float = 1.0  # standard deviation of each action dimension, before clipping

    def __post_init__(self) -> None:
        if not 0 <= self.correlation < 1:
            raise UserError(f"policy.correlation={self.correlation} must be in [0, 1)")
        if self.scale <= 0:
            raise UserError(f"policy.scale={self.scale} must be above 0; policy=do_nothing stands still")


class RandomPolicy(Policy):
    """Clipped, temporally correlated Gaussian actions from each episode's own seed."""

    Config = RandomPolicyConfig

    def __init__(self, config: RandomPolicyConfig) -> None:
        self.config = config

    def start(self, rows: int) -> None:
        self._random = [np.random.default_rng(row) for row in range(rows)]
        self._last: list[np.ndarray | None] = [None] * rows

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._random[row] = np.random.default_rng(derive_seed(seed, "random policy"))
        self._last[row] = None

    def act(self, moment: Moment) -> np.ndarray:
        size = moment.previous_action.shape[-1]
        noise = np.stack([self._sample(row, size) for row in moment.rows])
        return (self.config.scale * noise).clip(-1, 1).astype(np.float32)

    def _sample(self, row: int, size: int) -> np.ndarray:
        """One step of a first-order autoregressive process of unit variance."""
        rho, white, last = self.config.correlation, self._random[row].standard_normal(size), self._last[row]
        self._last[row] = sample = white if last is None else rho * last + np.sqrt(1 - rho**2) * white
        return sample


class DoNothing(Policy):
    """Zero actions: no velocity; a hand keeps its gripper half open."""

    def act(self, moment: Moment) -> np.ndarray:
        return np.zeros_like(moment.previous_action, dtype=np.float32)
