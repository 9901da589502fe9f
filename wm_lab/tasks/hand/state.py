"""What the numbers of a hand observation mean, and how they follow from MuJoCo's state.

| numbers        | name             | unit                                                               |
|----------------|------------------|--------------------------------------------------------------------|
| 0:8            | joints           | x, y, z in m; yaw, pitch, roll in rad; two fingers in m             |
| 8:16           | velocity         | of the joints                                                      |
| 16:22          | setpoint         | where the controllers of the first six joints are heading           |
| 22:25          | tcp              | m, the point between the fingertips                                |
| then 3 a block | block positions  | m                                                                  |
| then 4 a block | block rotations  | quaternion w, x, y, z                                              |
| last 3         | goal             | m                                                                  |
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wm_lab.tasks.hand.scene import HAND_HEIGHT, TCP_BELOW_HAND
from wm_lab.tasks.task import Variable

JOINTS = 8
SETPOINTS = 6
YAW, PITCH, ROLL, FINGER = 3, 4, 5, 6  # places in the state, as in the joints
VELOCITY = 8
TCP = 22
PROPRIO = 25  # the leading numbers that the robot reads from its own joints
POSITIONS = 25


@dataclass(frozen=True)
class Layout:
    """Where things are in the state of a scene with `blocks` blocks. Physics is MuJoCo's (time, qpos, qvel, act)."""

    blocks: int
    _sources: np.ndarray = field(init=False, repr=False, compare=False)
    _targets: np.ndarray = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        qpos = 1
        qvel = qpos + JOINTS + 7 * self.blocks
        act = qvel + JOINTS + 6 * self.blocks
        poses = [qpos + JOINTS + 7 * block for block in range(self.blocks)]
        parts = [
            range(qpos, qpos + JOINTS),
            range(qvel, qvel + JOINTS),
            range(act, act + SETPOINTS),
            *(range(pose, pose + 3) for pose in poses),
            *(range(pose + 3, pose + 7) for pose in poses),
        ]
        sources = np.concatenate([np.asarray(part) for part in parts])
        targets = np.concatenate([np.arange(TCP), np.arange(POSITIONS, self.goal)])
        object.__setattr__(self, "_sources", sources)
        object.__setattr__(self, "_targets", targets)

    @property
    def size(self) -> int:
        return self.goal + 3

    @property
    def goal(self) -> int:
        return POSITIONS + 7 * self.blocks

    def position(self, block: int) -> int:
        return POSITIONS + 3 * block

    def rotation(self, block: int) -> int:
        return POSITIONS + 3 * self.blocks + 4 * block

    def observe(self, physics: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """State observations [..., D] float32 of physics [..., P] and goals [..., 3] or [3].

        The only road from physics to observation, for one step and for a million: an exact function of
        (qpos, qvel, act), so that stepping and `mujoco.rollout` see the same numbers.
        """
        if physics.ndim == 1:
            return self._observe_one(physics, goal)
        state = np.empty((*physics.shape[:-1], self.size), np.float32)
        state[..., self._targets] = physics[..., self._sources]
        sines = np.sin(physics[..., 1 + YAW : 1 + ROLL + 1])
        cosines = np.cos(physics[..., 1 + YAW : 1 + ROLL + 1])
        s_yaw, s_pitch, s_roll = sines[..., 0], sines[..., 1], sines[..., 2]
        c_yaw, c_pitch, c_roll = cosines[..., 0], cosines[..., 1], cosines[..., 2]
        # The hand's own z axis is the last column of Rz(yaw) Ry(pitch) Rx(roll).
        lean = s_pitch * c_roll
        state[..., TCP] = physics[..., 1] - TCP_BELOW_HAND * (c_yaw * lean + s_yaw * s_roll)
        state[..., TCP + 1] = physics[..., 2] - TCP_BELOW_HAND * (s_yaw * lean - c_yaw * s_roll)
        state[..., TCP + 2] = physics[..., 3] + (HAND_HEIGHT - TCP_BELOW_HAND * c_pitch * c_roll)
        state[..., self.goal :] = goal
        return state

    def _observe_one(self, physics: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """The same of one state, to the last bit: Python reckons with single numbers far faster than NumPy does."""
        state = np.empty(self.size, np.float32)
        state[self._targets] = physics[self._sources]
        angles = physics[1 + YAW : 1 + ROLL + 1]
        s_yaw, s_pitch, s_roll = np.sin(angles).tolist()
        c_yaw, c_pitch, c_roll = np.cos(angles).tolist()
        x, y, z = physics[1:4].tolist()
        lean = s_pitch * c_roll
        state[TCP:PROPRIO] = (
            x - TCP_BELOW_HAND * (c_yaw * lean + s_yaw * s_roll),
            y - TCP_BELOW_HAND * (s_yaw * lean - c_yaw * s_roll),
            z + (HAND_HEIGHT - TCP_BELOW_HAND * c_pitch * c_roll),
        )
        state[self.goal :] = goal
        return state

    def pose(self, state: np.ndarray, physics: np.ndarray) -> None:
        """Write what a state [D] tells into physics [P]: the inverse of `observe`, but for the blocks' velocities."""
        physics[self._sources] = state[self._targets]
        for block in range(self.blocks):
            rotation = 1 + JOINTS + 7 * block + 3
            turned = physics[rotation : rotation + 4]
            length = np.linalg.norm(turned)
            turned[:] = turned / length if length > 0 else (1.0, 0.0, 0.0, 0.0)

    def goal_of(self, state: np.ndarray) -> np.ndarray:
        """[D] -> [3]"""
        return state[self.goal :]

    def variables(self, tolerance: dict[str, float]) -> tuple[Variable, ...]:
        """The named pieces; `tolerance` holds those that success depends on."""
        pieces = [
            ("joints", 0, JOINTS, "m, rad"),
            ("velocity", VELOCITY, VELOCITY + JOINTS, "m/s, rad/s"),
            ("setpoint", VELOCITY + JOINTS, TCP, "m, rad"),
            ("tcp", TCP, TCP + 3, "m"),
        ]
        names = block_names(self.blocks)
        pieces += [(name, self.position(i), self.position(i) + 3, "m") for i, name in enumerate(names)]
        pieces += [
            (f"{name}_rotation", self.rotation(i), self.rotation(i) + 4, "quaternion") for i, name in enumerate(names)
        ]
        pieces.append(("goal", self.goal, self.goal + 3, "m"))
        return tuple(Variable(*piece, tolerance=tolerance.get(piece[0])) for piece in pieces)


def block_names(blocks: int) -> tuple[str, ...]:
    """ "block" where there is one, "block1", "block2", ... where there are more, from the lowest of the stack up."""
    return ("block",) if blocks == 1 else tuple(f"block{index + 1}" for index in range(blocks))
