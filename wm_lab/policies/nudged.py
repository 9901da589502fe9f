"""A policy that is knocked off its way: a few of its steps are disturbed, at a moment that the episode's seed draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wm_lab.policies.seeding import derive_seed
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task


@dataclass(frozen=True)
class Nudge:
    """Gaussian noise on some dimensions of consecutive actions."""

    dimensions: tuple[int, ...]
    within: int  # steps among which the first disturbed one is drawn, all equally likely
    steps: int = 2
    std: float = 0.2  # of actions in [-1, 1]


class Nudged(Policy):
    """Plays `policy`, which sees what came of the nudge and is not told of it.

    Moment and noise have a stream of their own in each episode: every policy meets the same ones, and nudges of
    different dimensions come at the same moment.
    """

    def __init__(self, policy: Policy, nudge: Nudge) -> None:
        self._policy, self._nudge = policy, nudge
        self.observation_keys = policy.observation_keys

    def start(self, rows: int) -> None:
        self._policy.start(rows)
        self._step = np.zeros(rows, int)
        self._moment = np.zeros(rows, int)
        self._noise: list[np.ndarray] = [np.zeros((0, 0), np.float32)] * rows  # [steps, A] each

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._policy.reset(row, task, seed)
        rng = np.random.default_rng(derive_seed(seed, "nudge"))
        self._step[row] = 0
        self._moment[row] = rng.integers(self._nudge.within)
        noise = self._nudge.std * rng.standard_normal((self._nudge.steps, task.task_spec.action_size))
        others = np.setdiff1d(np.arange(task.task_spec.action_size), self._nudge.dimensions)
        noise[:, others] = 0.0
        self._noise[row] = noise.astype(np.float32)

    def act(self, moment: Moment) -> np.ndarray:
        actions = self._policy.act(moment).copy()
        for i, row in enumerate(moment.rows):
            since = self._step[row] - self._moment[row]
            if 0 <= since < self._nudge.steps:
                actions[i] += self._noise[row][since]
        self._step[moment.rows] += 1
        return actions.clip(-1.0, 1.0)

    def report(self, row: int) -> dict[str, np.ndarray]:
        return self._policy.report(row)
