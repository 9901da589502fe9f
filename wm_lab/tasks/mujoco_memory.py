"""What a MuJoCo simulation must remember to go on exactly, and who touches whom in it."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class Memory:
    """Saves and loads the state of one simulation as a flat vector.

    `fields` are arrays of MjData that a controller reads before it steps, such as "site_xpos". MuJoCo derives them a
    substep late, so that computing them anew from the state would give other numbers than the controller saw.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, fields: Sequence[str] = ()) -> None:
        self._model, self._data = model, data
        self._integration = mujoco.mj_stateSize(model, STATE)
        self._views = [getattr(data, name) for name in fields]
        self.size = self._integration + sum(view.size for view in self._views)

    def save(self) -> np.ndarray:
        """Everything, [size] float64."""
        state = np.empty(self._integration)
        mujoco.mj_getState(self._model, self._data, state, STATE)
        return np.concatenate([state, *(view.ravel() for view in self._views)])

    def load(self, saved: np.ndarray) -> None:
        """Go back to what `save` wrote."""
        mujoco.mj_setState(self._model, self._data, saved[: self._integration], STATE)
        start = self._integration
        for view in self._views:
            view[:] = saved[start : start + view.size].reshape(view.shape)
            start += view.size


class Touch:
    """Tells whether the robot touches something that can be moved; where nothing can, whether it touches anything."""

    def __init__(self, model: mujoco.MjModel, robot: int) -> None:
        """robot: id of any body of the robot."""
        root = model.body_rootid[model.geom_bodyid]
        self._robot = root == model.body_rootid[robot]
        movable = (model.body_weldid[model.geom_bodyid] != 0) & ~self._robot
        self._thing = movable if movable.any() else ~self._robot

    def __call__(self, data: mujoco.MjData) -> bool:
        one, other = data.contact.geom.T
        robot, thing = self._robot, self._thing
        return bool((robot[one] & thing[other] | robot[other] & thing[one]).any())
