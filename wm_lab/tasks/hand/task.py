"""`task=hand/...`: a free-flying parallel gripper over a table, with five goals from short reaches to stacking.

Actions are seven numbers in [-1, 1] at 20 Hz: six velocities of the hand, and the opening of the fingers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import mujoco
import numpy as np
from gymnasium import spaces
from torch import Tensor

from wm_lab.domains import Domain, Multiplier, Pixels, Positive, Steps
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.hand.costs import COSTS, goal_state
from wm_lab.tasks.hand.experts import EXPERTS, HandExpert
from wm_lab.tasks.hand.goals import GOALS, check_difficulty, draw_start, solved
from wm_lab.tasks.hand.physics import ACTIONS, HandPhysics
from wm_lab.tasks.hand.relocation import HandRelocation
from wm_lab.tasks.hand.scene import (
    CAMERA,
    CONTROL_HZ,
    DEPTH_CAMERA,
    GOAL_GROUP,
    GOAL_RADIUS,
    LAMP,
    LOOK_REVISION,
    SCENE_REVISION,
)
from wm_lab.tasks.hand.state import PROPRIO
from wm_lab.tasks.lit_camera import LitCamera
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import Marker, RayCamera, View
from wm_lab.tasks.task import PlanningHints, Task, TaskSpec, consecutive, defining_options
from wm_lab.tasks.variation import TRAIN, Factors

SUCCESS_REVISION = 1  # of the success tests: results of different revisions do not compare
PEOPLE = View.towards((0.0, 0.02, 0.16), eye=(0.4, -1.25, 1.12), fovy=27.5)  # over the corner of the table
TRANSLUCENT = 0.75  # opacity of the goal in pictures for people
DEPTH_RAYS = (16, 32)  # rows and columns: 512 numbers
FARTHEST = 2.0  # m, of the depth observation

OBSERVATIONS = {
    "state": ("state",),
    "pixels": ("pixels",),
    "pixels_proprio": ("pixels", "proprio"),
    "depth": ("depth",),
}


@dataclass
class HandConfig:
    """Options of a hand task. None keeps the goal's own value."""

    goal: str = "reach"
    """reach, push, place, insert or stack."""
    observation: str = "state"
    """state, pixels, pixels_proprio (with the robot's own joint readings) or depth (512 rays)."""
    tolerance: Annotated[float, Domain(above=0, most=0.1)] | None = None
    """Metres of success: 2 cm for reach, push and stack, 1 cm for place, 6 mm for insert."""
    goal_distance: Positive | None = None
    """Metres from start to goal: of the fingertips (reach), of the (first) block in the plane (others)."""
    episode_steps: Steps | None = None
    """Control steps after which an episode ends."""
    image_size: Pixels = 64
    """Side of square images, in pixels."""
    budget_multiplier: Multiplier = 1.0
    """How much more data and training than reach this task deserves."""
    planning: PlanningHints = field(default_factory=PlanningHints)
    """What planners begin with on this task."""

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            raise unknown("task.goal", self.goal, GOALS)
        if self.observation not in OBSERVATIONS:
            raise unknown("task.observation", self.observation, OBSERVATIONS)
        goal = GOALS[self.goal]
        check_difficulty(goal, goal.tolerance if self.tolerance is None else self.tolerance, self.goal_distance)


class HandTask(Task):
    """One goal of the hand family; pictures are drawn without any GL library."""

    Config = HandConfig
    metadata = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode = "rgb_array"

    def __init__(self, config: HandConfig) -> None:
        self.config = config
        self._goal = goal = GOALS[config.goal]
        self.layout = goal.layout
        self._tolerance = goal.tolerance if config.tolerance is None else config.tolerance
        self._episode_steps = goal.episode_steps if config.episode_steps is None else config.episode_steps
        self._cost = COSTS[goal.name]
        self._physics = HandPhysics(goal)
        self._goal_position = np.zeros(3)
        self._steps = 0
        self._depth_camera: RayCamera | None = None
        self._eye: LitCamera | None = None
        self._shown: LitCamera | None = None
        self._factors = TRAIN
        self._views = {"state": self.state, "pixels": self._pixels, "proprio": self._proprio, "depth": self._depth}
        self._keys = OBSERVATIONS[config.observation]
        self.task_spec = self._describe()
        self.observation_space = spaces.Dict(
            {key: _space(key, shape) for key, shape in self.task_spec.observation.items()}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
        self.reset(seed=0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        redrawn = 0
        while True:
            start = draw_start(self._goal, self.config.goal_distance, self.np_random)
            self._physics.begin(start)
            self._goal_position[:] = start.goal
            self._look()
            if not self._is_solved():
                return self._observe(), {"success": False, "contact": False, "redrawn": redrawn}
            redrawn += 1

    def command(self, action: np.ndarray) -> np.ndarray:
        """Velocities of x, y, z (m/s) and of yaw, pitch, roll (rad/s), and how far each finger is open (m)."""
        return self._physics.command(action)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """One control step of 50 ms under an action [7]."""
        total = float(sum(action.tolist()))
        if total != total:  # only NaN differs from itself; MuJoCo would quietly play zeros instead
            raise UserError(f"{self.task_spec.name} was given an action that is not a number: {action}")
        self._physics.step(action)
        self._steps += 1
        self._look()
        info = {"success": self._is_solved(), "contact": self._physics.touches()}
        return self._observe(), -self._cost(self.numbers), False, self._steps >= self._episode_steps, info

    def state(self) -> np.ndarray:
        return self._state

    def cost(self, state: Tensor) -> Tensor:
        cost: Tensor = self._cost(state.unbind(-1))
        return cost

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return consecutive(position=3, orientation=3, fingers=1)

    def goal_state(self, state: Tensor) -> Tensor:
        return goal_state(self._goal.name, state)

    def relocate(self, states: np.ndarray, random: np.random.Generator) -> HandRelocation:
        return HandRelocation.draw(self.layout, self._physics, states, random)

    def expert(self) -> HandExpert:
        return EXPERTS[self._goal.name](self)

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        self._factors = factors
        self._physics.vary(factors)
        return self._observe()

    def snapshot(self) -> np.ndarray:
        snapshot = np.empty(self._physics.snapshot_size + 4)
        self._physics.save(snapshot[:-4])
        snapshot[-4:-1] = self._goal_position
        snapshot[-1] = self._steps
        return snapshot

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        size = self._physics.snapshot_size + 4
        if snapshot.shape != (size,):
            raise UserError(f"{self.task_spec.name} has snapshots of {size} numbers; found shape {snapshot.shape}")
        self._physics.load(snapshot[:-4])
        self._goal_position[:] = snapshot[-4:-1]
        self._steps = int(snapshot[-1])
        self._look()
        return self._observe()

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        snapshot = self.snapshot()
        self.layout.pose(state, snapshot[: len(self._physics.present)])
        snapshot[-4:-1] = state[self.layout.goal :]
        self._physics.with_goal(snapshot[:-4], snapshot[-4:-1])
        return snapshot

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return self.layout.observe(snapshots[:, : len(self._physics.present)], snapshots[:, -4:-1])

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        batch, count, horizon = actions.shape[:3]
        starts = np.repeat(snapshots, count, axis=0)
        goals = starts[:, -4:-1]
        futures = self._physics.play(starts, goals, actions.reshape(batch * count, horizon, ACTIONS), threads)
        states = self.layout.observe(futures, goals[:, None])
        success = solved(self._goal, self._tolerance, np.moveaxis(states.astype(float), -1, 0))
        return states.reshape(batch, count, horizon, -1), success.reshape(batch, count, horizon)

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        here, after = self.snapshot(), snapshots.copy()
        for row, (snapshot, action) in enumerate(zip(snapshots, actions, strict=True)):
            self._physics.load(snapshot[:-4])
            self._physics.step(action)
            self._physics.save(after[row, :-4])
        after[:, -1] += 1
        self.restore(here)
        return after

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        chosen = PEOPLE if camera is None else camera
        shown = self._shown
        if shown is None or shown.size != size[::-1] or shown.chosen is not chosen:
            shown = self._shown = LitCamera(self._physics.model, *size, chosen, LAMP, GOAL_GROUP)
        shown.factors = self._factors
        markers = [marker._replace(opacity=TRANSLUCENT) for marker in self._markers()]
        ghost = None if overlay.ghost is None else self._posed(overlay.ghost)
        return shown.picture(self._physics.data, markers, ghost, overlay.lines)

    def _posed(self, state: np.ndarray) -> mujoco.MjData:
        """A simulation whose hand and blocks are where a state [D] says, which may be an imagined one."""
        data = mujoco.MjData(self._physics.model)
        self._physics.unpack(self.snapshot_like(np.asarray(state, float))[:-4], data)
        return data

    def _pixels(self) -> np.ndarray:
        size = self.config.image_size
        if self._eye is None:
            self._eye = LitCamera(self._physics.model, size, size, CAMERA, LAMP, GOAL_GROUP)
        self._eye.factors = self._factors
        return self._eye.render(self._physics.data, self._markers())

    def _markers(self) -> list[Marker]:
        """The goal, where it is no hole."""
        if self._goal.name == "insert":
            return []
        return [Marker(tuple(self._physics.data.mocap_pos[0].tolist()), GOAL_RADIUS)]

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        if self._shown is None:  # a camera knows where it stands once it has looked
            self.render()
        assert self._shown is not None
        return self._shown.project(points)

    def _proprio(self) -> np.ndarray:
        return self._state[:PROPRIO]

    def _depth(self) -> np.ndarray:
        if self._depth_camera is None:
            self._depth_camera = RayCamera(self._physics.model, DEPTH_RAYS[1], DEPTH_RAYS[0], DEPTH_CAMERA)
        self._depth_camera.factors = self._factors
        return self._depth_camera.depth(self._physics.data, FARTHEST).ravel()

    def _look(self) -> None:
        self._state = self.layout.observe(self._physics.present, self._goal_position)
        # The same numbers as plain floats: Python works on a handful of these far faster than NumPy does.
        self.numbers: list[float] = self._state.tolist()

    def _is_solved(self) -> bool:
        return bool(solved(self._goal, self._tolerance, self.numbers))

    def _observe(self) -> dict[str, np.ndarray]:
        return {key: self._views[key]() for key in self._keys}

    def _describe(self) -> TaskSpec:
        goal, layout, config = self._goal, self.layout, self.config
        shapes: dict[str, tuple[int, ...]] = {
            "state": (layout.size,),
            "pixels": (config.image_size, config.image_size, 3),
            "proprio": (PROPRIO,),
            "depth": (DEPTH_RAYS[0] * DEPTH_RAYS[1],),
        }
        look = f", look {LOOK_REVISION}" if "pixels" in self._keys else ""
        return TaskSpec(
            name=f"hand/{goal.name}",
            observation={key: shapes[key] for key in self._keys},
            action_size=ACTIONS,
            episode_steps=self._episode_steps,
            control_hz=CONTROL_HZ,
            tags=goal.tags,
            instruction=goal.instruction,
            success_test=f"{goal.measure}<{self._tolerance:g}@{SUCCESS_REVISION}",
            physics=f"mujoco {mujoco.__version__}, hand scene {SCENE_REVISION}{look}",
            variables=layout.variables(dict.fromkeys(goal.toleranced, self._tolerance)),
            settings=defining_options(config) | {"tolerance": self._tolerance, "episode_steps": self._episode_steps},
        )


def _space(key: str, shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8) if key == "pixels" else spaces.Box(-np.inf, np.inf, shape, np.float32)
