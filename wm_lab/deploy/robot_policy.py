"""A policy for one robot: an observation in, an action out; what a policy must remember is kept here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from wm_lab.deploy.observation import Checked
from wm_lab.errors import UserError
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import DataSpec

ROUNDING = 1e-3
"""By how much an executed action may lie beyond its bounds."""


class RobotPolicy:
    """Acts for one robot. `reset` begins an episode; the first `act` begins one by itself.

    policy: plays one row; task: asked for units and instructions, when they are needed
    """

    def __init__(
        self, policy: Policy, spec: DataSpec, task: Callable[[], Task], name: str, own_units: bool = False
    ) -> None:
        self.name, self._policy, self._task, self._own_units = name, policy, task, own_units
        self._check = Checked(spec, policy.observation_keys)
        self._size = spec.action_size
        self._rows = np.zeros(1, int)
        self._begun = self._first = False

    @property
    def observation_keys(self) -> tuple[str, ...]:
        """What `act` must be shown; more is not looked at."""
        return self._check.keys

    def reset(self, seed: int = 0) -> None:
        """An episode begins with the next `act`; the seed feeds what the policy draws, and the same one repeats it."""
        if not self._begun:
            self._policy.start(1)
            self._begun = True
        self._policy.reset(0, self._task(), seed)
        self._first = True
        self._previous = np.zeros((1, self._size), np.float32)

    def act(self, observation: Mapping[str, np.ndarray] | np.ndarray, executed: np.ndarray | None = None) -> np.ndarray:
        """The next action [A] float32 in [-1, 1], or in the robot's own units where they were asked for.

        observation: {key: array} of one robot, as the data hold it: vectors [D], images [H, W, 3] uint8; or the array
            alone where there is one key
        executed: the last action as the robot really did it, in [-1, 1]; None: as it was told to
        Raises UserError for an observation that is not like those that the policy was trained on.
        """
        seen = self._check(observation)
        if not self._begun:
            self.reset()
        if executed is not None and not self._first:
            self._previous = self._done(executed)
        moment = Moment(self._rows, seen, self._previous, np.array([self._first]))
        action: np.ndarray = np.asarray(self._policy.act(moment)[0], np.float32)
        self._first, self._previous = False, action[None].copy()
        return self._task().command(action) if self._own_units else action.copy()

    def _done(self, executed: np.ndarray) -> np.ndarray:
        """[1, A]"""
        found = np.asarray(executed, np.float32)
        if found.shape != (self._size,) or not (np.abs(found) <= 1 + ROUNDING).all():  # nor is NaN
            raise UserError(
                f"executed must be {self._size} numbers in [-1, 1], also where actions come in the robot's own units; "
                f"found {found}"
            )
        return found.clip(-1, 1)[None]
