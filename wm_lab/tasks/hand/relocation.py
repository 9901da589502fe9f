"""The same episode elsewhere on the table: shifted, turned by half a turn, or mirrored.

A table has no preferred place, direction or side. Of all rigid motions of the plane these are the ones that leave the
gripper, whose two sides are alike, facing the way in which every episode begins. Velocities mirror like places
(`along`), turning like an axial vector (`about`). One motor drives both fingers, by way of the left one: what mirrors y
makes the other side lead, which is worth a millimetre or a few after a contact; the other motions are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import mujoco
import numpy as np

from wm_lab.tasks.hand.goals import HAND_START, REACH
from wm_lab.tasks.hand.physics import HandPhysics
from wm_lab.tasks.hand.state import JOINTS, SETPOINTS, TCP, VELOCITY, Layout

SETPOINT = VELOCITY + JOINTS
MIRRORS = (1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0)  # of x and y; both: half a turn


@dataclass(frozen=True)
class HandRelocation:
    """(x, y) -> mirror * (x, y) + shift; everything that the scene holds goes along."""

    layout: Layout
    physics: HandPhysics
    mirror: tuple[float, float]  # each 1 or -1
    shift: tuple[float, float]  # m

    @classmethod
    def draw(cls, layout: Layout, physics: HandPhysics, states: np.ndarray, random: np.random.Generator) -> Self:
        """A motion of the episode that shows `states` [L + 1, D] to where the task itself might have begun it.

        All mirrors under which hand, blocks and goal fit there are alike likely, and so are all shifts.
        """
        fitting = []
        for mirror in MIRRORS:
            room = _room(layout, physics, states, np.array(mirror))
            if (room[0] <= room[1]).all():
                fitting.append((mirror, room))
        mirror, room = fitting[random.integers(len(fitting))]
        x, y = random.uniform(*room).tolist()
        return cls(layout, physics, mirror, (x, y))

    def state(self, state: np.ndarray) -> np.ndarray:
        """[..., D] -> [..., D]"""
        moved = state.copy()
        places = [0, SETPOINT, TCP, *(self.layout.position(b) for b in range(self.layout.blocks)), self.layout.goal]
        for at in places:
            moved[..., at : at + 3] *= self._along
            moved[..., at : at + 2] += self.shift
        moved[..., VELOCITY : VELOCITY + 3] *= self._along
        for at in (0, VELOCITY, SETPOINT):
            moved[..., at + 3 : at + SETPOINTS] *= self._yaw_pitch_roll
        for at in map(self.layout.rotation, range(self.layout.blocks)):
            moved[..., at + 1 : at + 4] *= self._about
        return moved

    def action(self, action: np.ndarray) -> np.ndarray:
        """[..., 7] -> [..., 7]"""
        moved = action.copy()
        moved[..., :3] *= self._along
        moved[..., 3:SETPOINTS] *= self._yaw_pitch_roll
        return moved

    def snapshot(self, snapshot: np.ndarray) -> np.ndarray:
        """[S] -> [S]; the running episode stays where it is."""
        moved = snapshot.copy()
        data = mujoco.MjData(self.physics.model)
        self.physics.unpack(moved[:-4], data)
        self._positions(data.qpos)
        self._rates(data.qvel)
        self._rates(data.qacc_warmstart)
        data.act[:] = self.action(data.act)
        data.act[:2] += self.shift
        for place in (*data.mocap_pos, moved[-4:-1]):
            place *= self._along
            place[:2] += self.shift
        self.physics.pack(data, moved[:-4])
        return moved

    def _positions(self, qpos: np.ndarray) -> None:
        self._joints(qpos)
        qpos[:2] += self.shift
        for pose in qpos[JOINTS:].reshape(-1, 7):
            pose[:3] *= self._along
            pose[:2] += self.shift
            pose[4:] *= self._about

    def _rates(self, qvel: np.ndarray) -> None:
        self._joints(qvel)
        for rate in qvel[JOINTS:].reshape(-1, 6):
            rate[:3] *= self._along
            rate[3:] *= self._about

    def _joints(self, values: np.ndarray) -> None:
        values[:3] *= self._along
        values[3:SETPOINTS] *= self._yaw_pitch_roll

    @property
    def _along(self) -> np.ndarray:
        return np.array([*self.mirror, 1.0], np.float32)

    @property
    def _about(self) -> np.ndarray:
        x, y = self.mirror
        return np.array([y, x, x * y], np.float32)

    @property
    def _yaw_pitch_roll(self) -> np.ndarray:
        return self._about[::-1]


def _room(layout: Layout, physics: HandPhysics, states: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Smallest and largest shift [2, 2] after mirroring; where the smallest is larger, there is none.

    Starts must be the task's own, and no controller may run into the end of its range on the way.
    """
    hand, table = np.array(HAND_START)[:, :2], np.transpose(REACH)  # each: low and high, of x and y
    start, things = states[:1], [layout.goal, *map(layout.position, range(layout.blocks))]
    limits = [
        (start, 0, hand),
        *((start, at, table) for at in things),
        (states, SETPOINT, physics.model.actuator_actrange[:2].T),
    ]
    shifts = np.concatenate([ends[:, None] - mirror * rows[:, at : at + 2] for rows, at, ends in limits], axis=1)
    return np.stack([shifts[0].max(0), shifts[1].min(0)])
