"""One played episode, as a player returns it and as a dataset gives it back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Episode:
    """An episode of L actions. Every array leads with L + 1 rows, aligned on arrival.

    Row t holds the observation after t actions, the action that led to it and the reward of arriving at it; in row 0
    the action is zero, the reward zero and the flags False.
    """

    seed: int
    observation: dict[str, np.ndarray]  # {key: [L + 1, ...]}, "state" is always among them
    action: np.ndarray  # [L + 1, A] float32 in [-1, 1]
    reward: np.ndarray  # [L + 1] float32
    success: np.ndarray  # [L + 1] bool, the task's test holds now
    contact: np.ndarray  # [L + 1] bool
    terminal: np.ndarray  # [L + 1] bool, the task itself ended here (not a time limit)
    milliseconds: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """[L], wall time of `Policy.act` for this row's share of each decision; empty where nobody measured."""
    report: dict[str, np.ndarray] = field(default_factory=dict)
    """What the policy itself remembers of this episode (`Policy.report`)."""
    instruction: str = ""
    """What the robot was told."""

    @property
    def state(self) -> np.ndarray:
        """[L + 1, D] float32"""
        return self.observation["state"]

    @property
    def steps(self) -> int:
        """L, the number of actions."""
        return len(self.action) - 1

    @property
    def first_success(self) -> int | None:
        """How many actions it took until success was first hit; None where it never was."""
        return int(self.success.argmax()) if self.success.any() else None

    @property
    def solved(self) -> bool:
        """Success was hit at least once: the lab's score."""
        return bool(self.success.any())

    @property
    def solved_at_end(self) -> bool:
        """Success holds in the last step played, the stricter score."""
        return bool(self.success[-1])

    @property
    def total_reward(self) -> float:
        return float(self.reward.sum(dtype=np.float64))
