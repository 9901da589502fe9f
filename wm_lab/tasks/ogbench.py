"""`task=ogbench/...`: the cubes of OGBench (Park et al. 2025), which a UR5e arm carries to a target or stacks.

Actions are a displacement of the fingertips, up to 5 cm a step in x, y and z, a turn and the closing of the fingers, at
20 Hz. An episode is one subgoal of the library's data collection: one cube and a place for it, on the table or on
another cube.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from gymnasium import spaces
from torch import Tensor

from wm_lab.errors import unknown
from wm_lab.tasks import dense
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import EnvTask, Facts, make, pieces
from wm_lab.tasks.extras import need
from wm_lab.tasks.raycast import Marker
from wm_lab.tasks.task import Expert, consecutive

CUBES = {"cube-single-v0": 1, "cube-double-v0": 2, "cube-triple-v0": 3, "cube-quadruple-v0": 4}
SUBGOAL_STEPS = 200  # that the library gives its own oracle for one subgoal
TOLERANCE = 0.04  # m, the library's own
TIP, OPENING, CUBE = slice(12, 15), 17, slice(19, 22)  # in the state; the fingers' opening is 0 open to 1 closed
HELD = 0.45  # opening of the fingers, 0 closed to 1 open, with a cube between them
REST = (0.425, 0.0, 0.3)  # m, where the expert waits once its cube is placed


@dataclass
class OGBenchConfig(EnvConfig):
    id: str = "cube-double-v0"
    """cube-single-v0, cube-double-v0, cube-triple-v0 or cube-quadruple-v0."""


class OGBenchTask(EnvTask):
    """Success: the centre of the cube in question is within 4 cm of its target. That cube leads in the state."""

    Config = OGBenchConfig
    camera = "front_pixels"
    fields = ("site_xpos", "site_xmat", "cfrc_ext")  # which the controller, and the expert, read before a step

    def __init__(self, config: OGBenchConfig) -> None:
        logging.getLogger("absl").setLevel(logging.WARNING)  # its model builder reports which screens it found
        need("ogbench.manipspace", f"task.id={config.id}")
        if config.id not in CUBES:
            raise unknown("task.id", config.id, CUBES)
        env, _ = make(config.id, mode="data_collection", terminate_at_goal=False, visualize_info=False)
        env.reset(seed=0)  # builds the model
        actions = spaces.Box(-1.0, 1.0, (5,), np.float32)  # its own, but for a warning at each look at it
        super().__init__(config, env, actions, SUBGOAL_STEPS)

    def cost(self, state: Tensor) -> Tensor:
        tip, cube, goal = state[..., TIP], state[..., CUBE], state[..., -3:]
        aside = dense.length(cube[..., :2] - goal[..., :2])
        # Until it is nearly there, a cube should travel above what stands on the table.
        lift = 0.06 * (1.0 - dense.near(aside, 0.03))
        way = dense.length(dense.join(aside, cube[..., 2] - goal[..., 2] - lift))
        return dense.carry(tip, 1.0 - state[..., OPENING], cube, way, held=HELD, above=0.06, radius=0.02)

    def solved(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(states[..., CUBE] - states[..., -3:], axis=-1) <= TOLERANCE)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return consecutive(position=3, orientation=1, fingers=1)

    def expert(self) -> Expert:
        return CubeExpert(self._env)

    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        target = info["privileged/target_block"]
        order = [target, *(i for i in range(CUBES[self.config.id]) if i != target)]
        yaw = info["proprio/effector_yaw"]
        return np.concatenate(
            [
                info["proprio/joint_pos"],
                info["proprio/joint_vel"],
                info["proprio/effector_pos"],
                np.cos(yaw),
                np.sin(yaw),
                info["proprio/gripper_opening"],
                info["proprio/gripper_contact"],
                *(info[f"privileged/block_{i}_pos"] for i in order),
                *(info[f"privileged/block_{i}_quat"] for i in order),
                info["privileged/target_block_pos"],
            ]
        )

    def _solved(self, info: dict[str, Any]) -> bool:
        return bool(info["success"] if info else self.solved(self._state))

    def _markers(self) -> list[Marker]:
        return [self._goal_ball(0.015)]

    def _facts(self) -> Facts:
        names = ("cube", *(f"cube{i + 1}" for i in range(1, CUBES[self.config.id])))
        return Facts(
            name=f"ogbench/{self.config.id}",
            library=f"ogbench {version('ogbench')}",
            control_hz=1.0 / self._env.control_timestep(),
            tags=("contact",) if len(names) == 1 else ("contact", "long-horizon"),
            instruction="Put the cube that the pink ball belongs to where the ball is.",
            success_test=f"ogbench cube-to-target<={TOLERANCE:g}@1",
            variables=pieces(
                ("joints", 6, "rad"),
                ("joint_velocity", 6, "rad/s"),
                ("fingertips", 3, "m"),
                ("yaw", 2, "cosine, sine"),
                ("closing", 1, "0 open to 1 closed"),
                ("grip", 1, "force / 50 N"),
                *((name, 3, "m") for name in names),
                *((f"{name}_rotation", 4, "quaternion") for name in names),
                ("goal", 3, "m"),
                tolerance={"cube": TOLERANCE},
            ),
        )


class CubeExpert(Expert):
    """The library's own oracle, which reads the simulator. It looks at where things are and remembers nothing."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self._oracle = need("ogbench.manipspace.oracles.markov.cube_markov", "the expert").CubeMarkovOracle(env=env)
        self._oracle.reset(None, None)
        self._oracle._final_pos, self._oracle._final_yaw = np.array(REST), 0.0  # drawn at random, and not by our seed

    def act(self) -> np.ndarray:
        action = self._oracle.select_action(None, self._env.compute_ob_info())
        clipped: np.ndarray = np.clip(action, -1.0, 1.0).astype(np.float32)
        return clipped
