"""Sub-goals that nobody imagines: of an oracle, of a memory, and of chance. Option A is judged by what lies between.

An oracle's show what the executor is worth, those of a memory what is to be had without a model, and shuffled ones
whether the executor looks at them at all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wm_lab.policies.seeding import derive_seed
from wm_lab.policies.subgoals import Subgoals
from wm_lab.policy import Moment
from wm_lab.tasks.task import Expert, Task

REST = 5
"""Steps that the expert plays on after its first success, as in demonstrations: there its episode ends."""


class ExpertSubgoals(Subgoals):
    """Where the expert would be after so many steps, played in the true simulator. Privileged.

    Its script goes on where it was when it last foresaw something, from wherever the executor has come to since. Were
    it to watch the executor, it would wait for ever for a waypoint that the executor had passed at a distance.
    """

    observation_keys = ("snapshot",)

    def __init__(self, task: Task, steps: int | None) -> None:
        """task: one of its own, in which nothing else is played; steps: None is all the way, from the start alone"""
        self._task, self._steps = task, steps

    def start(self, rows: int) -> None:
        self._experts: list[Expert | None] = [None] * rows
        self._ends: dict[int, np.ndarray] = {}

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._experts[row] = None
        self._ends.pop(row, None)

    def propose(self, moment: Moment) -> np.ndarray:
        pairs = zip(moment.rows, moment.observation["snapshot"], strict=True)
        return np.stack([self._foresee(int(row), snapshot) for row, snapshot in pairs])

    def _foresee(self, row: int, snapshot: np.ndarray) -> np.ndarray:
        if row in self._ends:
            return self._ends[row]
        self._task.restore(snapshot)
        expert = self._experts[row]
        if expert is None:
            expert = self._experts[row] = self._task.expert()
        self._play(expert)
        state = self._task.state().copy()
        if self._steps is None:
            self._ends[row] = state
        return state

    def _play(self, expert: Expert) -> None:
        """The next steps, or all that are left until shortly after the first success."""
        left, rest = self._steps or self._task.task_spec.episode_steps, REST
        for _ in range(left):
            _, _, terminated, truncated, told = self._task.step(np.asarray(expert.act(), np.float32).clip(-1, 1))
            rest -= bool(told["success"])
            if terminated or truncated or (self._steps is None and rest < 0):
                break


class DemonstratedStates(NamedTuple):
    """All states of demonstrations, episode after episode."""

    states: np.ndarray  # [M, D]
    end: np.ndarray  # [M] int, the last moment of each one's episode


class RememberedSubgoals(Subgoals):
    """What came so many steps after the most similar moment of any demonstration."""

    def __init__(self, memory: DemonstratedStates, steps: int, scale: np.ndarray) -> None:
        """scale: [D] by which gaps between states are measured; infinite where they do not count"""
        self._memory, self._steps, self._scale = memory, steps, scale
        self._measured = (memory.states / scale).astype(np.float32)

    def propose(self, moment: Moment) -> np.ndarray:
        here = (moment.observation["state"] / self._scale).astype(np.float32)
        nearest = [int(((self._measured - one) ** 2).sum(1).argmin()) for one in here]
        later = np.minimum(np.array(nearest) + self._steps, self._memory.end[nearest])
        goals: np.ndarray = self._memory.states[later]
        return goals


class ShuffledSubgoals(Subgoals):
    """Any moment of any demonstration: an executor that does as well with these does not look at its sub-goals."""

    def __init__(self, memory: DemonstratedStates) -> None:
        self._memory = memory

    def start(self, rows: int) -> None:
        self._random = [np.random.default_rng(row) for row in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._random[row] = np.random.default_rng(derive_seed(seed, "shuffled sub-goals"))

    def propose(self, moment: Moment) -> np.ndarray:
        drawn = [self._random[row].integers(len(self._memory.states)) for row in moment.rows]
        goals: np.ndarray = self._memory.states[drawn]
        return goals
