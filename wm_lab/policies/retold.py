"""A policy whose episodes are told otherwise than the task tells them: does it read what it is told?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task


@runtime_checkable
class Tellable(Protocol):
    """A task whose scenes allow several commands."""

    def reset(self, *, seed: int | None = None) -> Any:
        """Begin the episode of a seed."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of commands, such as the verbs that there are."""

    @property
    def kind(self) -> str:
        """Of the command of the episode that runs now."""

    @property
    def asks(self) -> tuple[str, ...]:
        """What else may be asked in its scenes: values of `task.ask`."""

    @property
    def tellings(self) -> tuple[str, ...]:
        """Ways to tell it otherwise: what `retell` takes."""

    def retell(self, how: str) -> None:
        """Tell the episode that has just begun in another way; success stays that of what is asked."""


def kinds_of(task: Tellable, seeds: Sequence[int]) -> np.ndarray:
    """Of the command of each episode: [E] str. The episode that the task is in ends."""
    found = []
    for seed in seeds:
        task.reset(seed=seed)
        found.append(task.kind)
    return np.array(found)


class Retold(Policy):
    """Plays `policy`, for which every episode is retold."""

    def __init__(self, policy: Policy, how: str) -> None:
        self._policy, self._how = policy, how
        self.observation_keys = policy.observation_keys

    def start(self, rows: int) -> None:
        self._policy.start(rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        assert isinstance(task, Tellable)
        task.retell(self._how)
        self._policy.reset(row, task, seed)

    def act(self, moment: Moment) -> np.ndarray:
        return self._policy.act(moment)

    def report(self, row: int) -> dict[str, np.ndarray]:
        return self._policy.report(row)
