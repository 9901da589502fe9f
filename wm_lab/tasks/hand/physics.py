"""The MuJoCo side of a hand task: stepping, contacts, exact snapshots, and many futures at once in C threads."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import mujoco
import numpy as np
from mujoco import mjtState, rollout

from wm_lab.tasks.hand.goals import Start
from wm_lab.tasks.hand.scene import FINGER_OPEN, MAX_SPEED, MAX_TURN, SUBSTEPS
from wm_lab.tasks.hand.state import JOINTS
from wm_lab.tasks.mechanics import Mechanics
from wm_lab.tasks.variation import Factors

ACTIONS = 7
ROLLOUT_NUMBERS = 4_000_000  # float64 of MuJoCo states held at once while playing futures: 32 MB

ROBOT, TOUCHED = 1, 10  # roles of geoms; anything else is 0
TOUCH = ROBOT + TOUCHED  # what the roles of a contact's two geoms add up to where the robot touches what matters


class HandPhysics:
    """The simulator of one scene, and the state that it is in.

    `present` [P] float64 is MuJoCo's (time, qpos, qvel, act); a snapshot [S] leads with it and adds all else that the
    next step depends on, the solver's warm start above all. The goal of an episode, G numbers, is where mocap bodies
    stand (`_stand`); nothing collides with them.

    xml: the scene; touched: names of geoms; it matters whether the robot touches them
    """

    def __init__(self, xml: str, touched: Collection[str]) -> None:
        self.model = mujoco.MjModel.from_xml_string(xml)
        self.data = mujoco.MjData(self.model)
        self.present = np.empty(mujoco.mj_stateSize(self.model, mjtState.mjSTATE_FULLPHYSICS))
        self.snapshot_size = mujoco.mj_stateSize(self.model, mjtState.mjSTATE_INTEGRATION)
        self._ctrl = self.data.ctrl  # a view into the simulator
        self._command = np.empty(ACTIONS)
        self._scale = np.array([MAX_SPEED] * 3 + [MAX_TURN] * 3 + [FINGER_OPEN / 2])
        self._offset = np.array([0.0] * 6 + [FINGER_OPEN / 2])
        roles = dict.fromkeys(("palm", "left", "right"), ROBOT) | dict.fromkeys(touched, TOUCHED)
        self._role = [roles.get(self.model.geom(geom).name, 0) for geom in range(self.model.ngeom)]
        self._pools: dict[int, tuple[rollout.Rollout, list[mujoco.MjData]]] = {}

    def begin(self, start: Start) -> None:
        """Put everything where an episode starts."""
        data = self.data
        mujoco.mj_resetData(self.model, data)
        data.qpos[:3] = start.hand
        data.act[:3] = start.hand
        data.qpos[JOINTS - 2 : JOINTS] = FINGER_OPEN
        for block, (x, y, z, yaw) in enumerate(start.blocks):
            pose = JOINTS + 7 * block
            data.qpos[pose : pose + 7] = (x, y, z, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2))
        data.mocap_pos[:] = self._stand(np.asarray(start.goal))
        self._read()

    def step(self, action: np.ndarray) -> None:
        """One control step under an action [7], which is clipped to [-1, 1]."""
        command = self._command
        np.maximum(action, -1.0, out=command)
        np.minimum(command, 1.0, out=command)
        command *= self._scale
        command += self._offset
        self._ctrl[:] = command
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self._read()

    def command(self, action: np.ndarray) -> np.ndarray:
        """What the actuators are told under an action [7]: m/s, rad/s and, of the fingers, m."""
        told: np.ndarray = np.clip(action, -1.0, 1.0) * self._scale + self._offset
        return told.astype(np.float32)

    def vary(self, factors: Factors) -> None:
        """Go on with these factors of variation."""
        self._mechanics.take_on(factors)

    @cached_property
    def _mechanics(self) -> Mechanics:
        return Mechanics(self.model, self.model.body("hand").id)

    def touches(self) -> bool:
        """Whether fingers or palm touch a block (without blocks: the table), as of the last substep."""
        role = self._role
        return any(role[one] + role[other] == TOUCH for one, other in self.data.contact.geom.tolist())

    def save(self, out: np.ndarray) -> None:
        """Write the snapshot into `out` [S]."""
        self.pack(self.data, out)

    def load(self, snapshot: np.ndarray) -> None:
        """Go back to a snapshot [S]."""
        self.unpack(snapshot, self.data)
        self._read()

    def with_goal(self, snapshot: np.ndarray, goal: np.ndarray) -> None:
        """Have a snapshot [S] show the goal [G]."""
        _, (scratch,) = self._pool(1)
        self.unpack(snapshot, scratch)
        scratch.mocap_pos[:] = self._stand(goal)
        self.pack(scratch, snapshot)

    def pack(self, data: mujoco.MjData, out: np.ndarray) -> None:
        mujoco.mj_getState(self.model, data, out, mjtState.mjSTATE_INTEGRATION)

    def unpack(self, snapshot: np.ndarray, data: mujoco.MjData) -> None:
        mujoco.mj_setState(self.model, data, snapshot, mjtState.mjSTATE_INTEGRATION)

    def play(self, snapshots: np.ndarray, goals: np.ndarray, actions: np.ndarray, threads: int) -> np.ndarray:
        """Futures of M snapshots [M, S] with goals [M, G] under actions [M, H, 7]: `present` [M, H, P] after each."""
        count, horizon = actions.shape[:2]
        futures = np.empty((count, horizon, len(self.present)))
        rows = max(threads, ROLLOUT_NUMBERS // (horizon * SUBSTEPS * len(self.present)))
        pool, workers = self._pool(threads)
        for begin in range(0, count, rows):
            chunk = slice(begin, begin + rows)
            states, _ = pool.rollout(
                self.model,
                workers,
                snapshots[chunk, : len(self.present)],
                self._controls(actions[chunk], goals[chunk]),
                control_spec=mjtState.mjSTATE_CTRL.value | mjtState.mjSTATE_MOCAP_POS.value,
                initial_warmstart=snapshots[chunk, len(self.present) : len(self.present) + self.model.nv],
            )
            futures[chunk] = states[:, SUBSTEPS - 1 :: SUBSTEPS]
        return futures

    def _controls(self, actions: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Commands and the goal's places at every substep, [M, H * SUBSTEPS, 7 + 3 K]: rollouts forget mocap bodies."""
        count, horizon = actions.shape[:2]
        size = ACTIONS + 3 * self.model.nmocap
        controls = np.empty((count, horizon, SUBSTEPS, size))
        controls[..., :ACTIONS] = (np.clip(actions, -1.0, 1.0) * self._scale + self._offset)[:, :, None]
        controls[..., ACTIONS:] = self._stand(goals).reshape(count, 1, 1, -1)
        return controls.reshape(count, horizon * SUBSTEPS, size)

    def _stand(self, goals: np.ndarray) -> np.ndarray:
        """Where the K mocap bodies stand that show goals [..., G]: [..., K, 3] m."""
        return goals[..., None, :]

    def _pool(self, threads: int) -> tuple[rollout.Rollout, list[mujoco.MjData]]:
        if threads not in self._pools:
            # Without threads of its own, a pool works in the thread that calls it.
            pool = rollout.Rollout(nthread=threads if threads > 1 else 0)
            self._pools[threads] = pool, [mujoco.MjData(self.model) for _ in range(threads)]
        return self._pools[threads]

    def _read(self) -> None:
        mujoco.mj_getState(self.model, self.data, self.present, mjtState.mjSTATE_FULLPHYSICS)


class FlatGoalPhysics(HandPhysics):
    """The marker of the goal stands on the table, as where it is a hole, or would be hidden in the stack."""

    def _stand(self, goals: np.ndarray) -> np.ndarray:
        return super()._stand(goals * (1.0, 1.0, 0.0))
