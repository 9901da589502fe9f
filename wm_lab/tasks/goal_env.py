"""What the mazes and the Fetch arm of gymnasium_robotics have in common: their goal is a point, which can be given."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np

from wm_lab.tasks.env_task import HEAD, EnvTask


class GoalEnvTask(EnvTask):
    """The last numbers of the state are the goal, which is where something shall be (`_achieved`).

    A start's seed brings its goal back. One that was given since is restored from the state in a snapshot, and so has
    single precision.
    """

    @property
    @abstractmethod
    def _achieved(self) -> slice:
        """The numbers of the state that shall be where the goal is."""

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        self._env.goal = np.asarray(state[self._achieved], np.float32).astype(np.float64)
        self._state = np.concatenate([self._state[: -len(self._env.goal)], self._env.goal]).astype(np.float32)
        return self._observe()

    def _put_back(self, seed: int, snapshot: np.ndarray) -> None:
        goal = snapshot[HEAD : HEAD + len(self._state)][-len(self._env.goal) :]
        if not self._has(goal):
            self._begin(seed)
        super()._put_back(seed, snapshot)
        if not self._has(goal):
            self._env.goal = goal.copy()

    def _has(self, goal: np.ndarray) -> bool:
        return np.array_equal(np.float32(self._env.goal), np.float32(goal))

    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        self._distance = math.dist(seen["achieved_goal"], seen["desired_goal"])
        return np.concatenate([seen["observation"], seen["desired_goal"]])
