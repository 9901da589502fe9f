"""A model proposes, a policy executes: sub-goals that are held until they are reached or have had their time.

Who proposes them is a `Subgoals`; who goes there is any policy that reads `goal.state`. So an oracle, a memory and an
imagination are compared with one and the same executor.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wm_lab.domains import Positive, Steps
from wm_lab.policy import GOAL, Moment, Policy
from wm_lab.tasks.task import Task

ASKED, SUBGOALS = "asked", "subgoals"
"""In the report of an episode: steps, and states that were to be reached from then on."""


@dataclass
class HoldConfig:
    """How far ahead sub-goals lie, and for how long they hold."""

    steps: Steps = 10  # k: control steps that a sub-goal lies ahead; half a second of a hand
    hold: Positive = 1.5  # times as many steps, after which another one is asked for, reached or not
    near: Positive = 1.0  # of a sub-goal, in ordinary steps, where it counts as reached


class Subgoals(ABC):
    """Says where to be a little later. Each episode has its row; see `Policy`."""

    observation_keys: tuple[str, ...] = ()
    """What it wants to see beside the state."""

    def start(self, rows: int) -> None:  # noqa: B027 - who remembers nothing needs nothing
        """Make room for `rows` episodes."""

    def reset(self, row: int, task: Task, seed: int) -> None:  # noqa: B027
        """A new episode begins in this row."""

    def observe(self, moment: Moment) -> None:  # noqa: B027
        """What is seen in every step, before anything is asked."""

    @abstractmethod
    def propose(self, moment: Moment) -> np.ndarray:
        """States [R, D] to be reached, one for each row of a moment that has just been observed."""


class SubgoalPolicy(Policy):
    """Asks for a sub-goal, has it executed, and asks again."""

    def __init__(
        self,
        executor: Policy,
        subgoals: Subgoals,
        apart: Callable[[np.ndarray, np.ndarray], np.ndarray],
        config: HoldConfig,
        every: int = 1,
    ) -> None:
        """apart: how far states are from goals, [R, D] each -> [R] in ordinary steps

        every: steps that the executor decides on at once; a sub-goal changes only between them
        """
        self.executor, self.subgoals, self.apart, self.config = executor, subgoals, apart, config
        self.longest = max(every, round(config.hold * config.steps))
        self.every = every
        mine = [key for key in executor.observation_keys if not key.startswith(GOAL)]
        self.observation_keys = tuple(dict.fromkeys(("state", *mine, *subgoals.observation_keys)))

    def start(self, rows: int) -> None:
        self._goals = np.zeros((rows, 0), np.float32)  # [B, D], once any is known
        self._age = np.zeros(rows, int)  # steps for which the sub-goal has been held
        self._steps = np.zeros(rows, int)  # of the episode
        self._asked: list[list[int]] = [[] for _ in range(rows)]  # steps in which sub-goals were asked for,
        self._proposed: list[list[np.ndarray]] = [[] for _ in range(rows)]  # and these sub-goals
        self._milliseconds: list[list[float]] = [[] for _ in range(rows)]
        self.executor.start(rows)
        self.subgoals.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._steps[row] = 0
        self._asked[row], self._proposed[row], self._milliseconds[row] = [], [], []
        self.executor.reset(row, task, seed)
        self.subgoals.reset(row, task, seed)

    def act(self, moment: Moment) -> np.ndarray:
        began = time.perf_counter()
        self.subgoals.observe(moment)
        due = self._due(moment)
        if due.any():
            self._ask(some(moment, due))
        goals = {GOAL + "state": self._goals[moment.rows]}
        actions = self.executor.act(moment._replace(observation={**moment.observation, **goals}))
        self._age[moment.rows] += 1
        self._steps[moment.rows] += 1
        for row in moment.rows[due]:
            self._milliseconds[row].append(1e3 * (time.perf_counter() - began))
        return actions

    def report(self, row: int) -> dict[str, np.ndarray]:
        """Steps in which sub-goals were asked for [K], what was proposed [K, D], and milliseconds of all rows [K]."""
        return {
            ASKED: np.array(self._asked[row], int),
            SUBGOALS: np.array(self._proposed[row]),
            "milliseconds": np.array(self._milliseconds[row]),
        }

    def _due(self, moment: Moment) -> np.ndarray:
        """Which rows of the moment ask for another sub-goal, [R] bool."""
        if not self._goals.shape[1]:
            return np.ones(len(moment.rows), bool)
        age = self._age[moment.rows]
        reached = self.apart(moment.observation["state"], self._goals[moment.rows]) < self.config.near
        over: np.ndarray = moment.first | ((age % self.every == 0) & (reached | (age >= self.longest)))
        return over

    def _ask(self, moment: Moment) -> None:
        goals = self.subgoals.propose(moment).astype(np.float32)
        if not self._goals.shape[1]:
            self._goals = np.zeros((len(self._goals), goals.shape[1]), np.float32)
        self._goals[moment.rows] = goals
        self._age[moment.rows] = 0
        for row, goal in zip(moment.rows, goals, strict=True):
            self._asked[row].append(int(self._steps[row]))
            self._proposed[row].append(goal)


def some(moment: Moment, chosen: np.ndarray) -> Moment:
    """The rows of a moment that are chosen, [R] bool."""
    seen = {key: value[chosen] for key, value in moment.observation.items()}
    return Moment(moment.rows[chosen], seen, moment.previous_action[chosen], moment.first[chosen])
