"""The contract of everything that acts: behaviour cloning, planning, scripted experts.

A policy plays up to B episodes side by side. Each episode owns a row; its task, seed and memory belong to that row
alone, so that an episode comes out the same whatever plays beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from wm_lab.tasks.task import Task

GOAL = "goal."
"""How names begin of what would be seen with an episode's goal reached: "goal.pixels", see `Task.goal_observation`."""


class Moment(NamedTuple):
    """What R of the B episodes see now. All arrays lead with R."""

    rows: np.ndarray  # [R] int, which episodes these are
    observation: dict[str, np.ndarray]  # {key: [R, ...]}
    previous_action: np.ndarray  # [R, A] the action really executed (zeros where first)
    first: np.ndarray  # [R] bool, the episode has just been reset


class Policy(ABC):
    """Maps moments to actions in [-1, 1]."""

    observation_keys: tuple[str, ...] = ("state",)
    """What `act` wants to see; "snapshot" asks for the simulator's own state (privileged), "goal.pixels" for a picture
    of the goal."""

    def start(self, rows: int) -> None:  # noqa: B027 - policies without memory need nothing
        """Make room for `rows` episodes side by side, forgetting all earlier ones."""

    def reset(self, row: int, task: Task, seed: int) -> None:  # noqa: B027
        """A new episode begins in this row. `task` is for privileged policies only; `seed` feeds its random stream."""

    @abstractmethod
    def act(self, moment: Moment) -> np.ndarray:
        """Actions [R, A] float32 in [-1, 1] for the rows of `moment`."""

    def report(self, row: int) -> dict[str, np.ndarray]:
        """What this policy remembers of the episode that just ended in `row`, e.g. the returns it imagined."""
        return {}
