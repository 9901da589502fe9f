"""The free-flying parallel gripper over a table, whatever is asked of it there.

Actions are seven numbers in [-1, 1] at 20 Hz: six velocities of the hand, and the opening of the fingers. Pictures that
models see are drawn without any GL library.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import mujoco
import numpy as np
from gymnasium import spaces

from wm_lab.domains import Domain, Multiplier, Pixels, Positive, Steps
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.hand.physics import ACTIONS, HandPhysics
from wm_lab.tasks.hand.scene import CAMERA, CONTROL_HZ, DEPTH_CAMERA, GOAL_GROUP, LAMP
from wm_lab.tasks.hand.state import PROPRIO
from wm_lab.tasks.lit_camera import LitCamera
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import Marker, RayCamera, View
from wm_lab.tasks.renderer import people_camera
from wm_lab.tasks.task import SCENE, PlanningHints, Task, consecutive
from wm_lab.tasks.variation import TRAIN, Factors

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


class Scenery(Protocol):
    """Where things are in a state of D numbers."""

    @property
    def size(self) -> int:
        """D"""

    def observe(self, physics: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """States [..., D] float32 of MuJoCo's numbers [..., P] and goals [..., G]."""

    def pose(self, state: np.ndarray, physics: np.ndarray) -> None:
        """Write what a state [D] tells into physics [P]."""

    def goal_of(self, state: np.ndarray) -> np.ndarray:
        """What a state [D] tells of its goal [G]."""


@dataclass
class GripperConfig:
    """Options of every task of the hand. None keeps the task's own value."""

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

    def require_observation(self, known: Sequence[str]) -> None:
        if self.observation == SCENE and SCENE not in known:
            raise UserError(
                "task.observation=scene shows no command, for a sentence says it, and here an episode has but one "
                "command; choose task=hand/table, or task.observation=state"
            )
        if self.observation not in known:
            raise unknown("task.observation", self.observation, known)


class GripperTask(Task):
    """What is asked of the hand is G numbers, the goal of an episode; each task says what they mean.

    A task of its own calls `__init__` last, draws a start (`_begin`) and judges it (`_met`).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode = "rgb_array"

    layout: Scenery

    def __init__(
        self, config: GripperConfig, layout: Scenery, physics: HandPhysics, goal: np.ndarray, keys: tuple[str, ...]
    ) -> None:
        """goal: [G] zeros, which each start will fill; keys: of what is observed"""
        self._config = config
        self.layout = layout
        self._physics = physics
        self._goal_numbers = goal
        self._held = len(goal) + 1  # numbers of a snapshot beside the simulator's: the goal, and the steps played
        self._steps = 0
        self._depth_camera: RayCamera | None = None
        self._eye: LitCamera | None = None
        self._shown: LitCamera | None = None
        self._factors = TRAIN
        self._keys = keys
        self.observation_space = spaces.Dict(
            {key: _space(key, shape) for key, shape in self.task_spec.observation.items()}
        )
        self.action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
        self.reset(seed=0)

    @abstractmethod
    def _begin(self, random: np.random.Generator) -> None:
        """Put everything where a random episode starts, and write what is asked into `_goal_numbers`."""

    @abstractmethod
    def _met(self, x: Sequence[Any] | np.ndarray) -> Any:
        """Whether states meet their goals. `x` holds the D numbers of a state: floats, or arrays of one shape."""

    @abstractmethod
    def _worth_now(self) -> float:
        """The cost of the present state."""

    def _markers(self) -> list[Marker]:
        """Balls that show the goal."""
        return []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = 0
        redrawn = 0
        while True:
            self._begin(self.np_random)
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
        return self._observe(), -self._worth_now(), False, self._steps >= self.task_spec.episode_steps, info

    def state(self) -> np.ndarray:
        return self._state

    def solved(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(self._met(np.moveaxis(states.astype(float), -1, 0)), bool)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return consecutive(position=3, orientation=3, fingers=1)

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        self._factors = factors
        self._physics.vary(factors)
        return self._observe()

    def snapshot(self) -> np.ndarray:
        snapshot = np.empty(self._physics.snapshot_size + self._held)
        self._physics.save(snapshot[: -self._held])
        snapshot[-self._held : -1] = self._goal_numbers
        snapshot[-1] = self._steps
        return snapshot

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        size = self._physics.snapshot_size + self._held
        if snapshot.shape != (size,):
            raise UserError(f"{self.task_spec.name} has snapshots of {size} numbers; found shape {snapshot.shape}")
        self._physics.load(snapshot[: -self._held])
        self._goal_numbers[:] = snapshot[-self._held : -1]
        self._steps = int(snapshot[-1])
        self._look()
        return self._observe()

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        snapshot = self.snapshot()
        self.layout.pose(state, snapshot[: len(self._physics.present)])
        goal = snapshot[-self._held : -1]
        goal[:] = self.layout.goal_of(state)
        self._physics.with_goal(snapshot[: -self._held], goal)
        return snapshot

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return self.layout.observe(snapshots[:, : len(self._physics.present)], snapshots[:, -self._held : -1])

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        batch, count, horizon = actions.shape[:3]
        starts = np.repeat(snapshots, count, axis=0)
        goals = starts[:, -self._held : -1]
        futures = self._physics.play(starts, goals, actions.reshape(batch * count, horizon, ACTIONS), threads)
        states = self.layout.observe(futures, goals[:, None])
        return states.reshape(batch, count, horizon, -1), self.solved(states).reshape(batch, count, horizon)

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        here, after = self.snapshot(), snapshots.copy()
        for row, (snapshot, action) in enumerate(zip(snapshots, actions, strict=True)):
            self._physics.load(snapshot[: -self._held])
            self._physics.step(action)
            self._physics.save(after[row, : -self._held])
        after[:, -1] += 1
        self.restore(here)
        return after

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        chosen = PEOPLE if camera is None else camera
        model, renderer = self._physics.model, self.renderer
        shown = self._shown = people_camera(self._shown, renderer, model, size, chosen, LAMP, GOAL_GROUP)
        shown.factors = self._factors
        markers = [marker._replace(opacity=TRANSLUCENT) for marker in self._markers()]
        ghost = None if overlay.ghost is None else self._posed(overlay.ghost)
        return shown.picture(self._physics.data, markers, ghost, overlay.lines)

    def _posed(self, state: np.ndarray) -> mujoco.MjData:
        """A simulation whose hand and blocks are where a state [D] says, which may be an imagined one."""
        data = mujoco.MjData(self._physics.model)
        self._physics.unpack(self.snapshot_like(np.asarray(state, float))[: -self._held], data)
        return data

    def _pixels(self) -> np.ndarray:
        size = self._config.image_size
        if self._eye is None:
            self._eye = LitCamera(self._physics.model, size, size, CAMERA, LAMP, GOAL_GROUP)
        self._eye.factors = self._factors
        return self._eye.render(self._physics.data, self._markers())

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
        self._state = self.layout.observe(self._physics.present, self._goal_numbers)
        # The same numbers as plain floats: Python works on a handful of these far faster than NumPy does.
        self.numbers: list[float] = self._state.tolist()

    def _is_solved(self) -> bool:
        return bool(self._met(self.numbers))

    def _observe(self) -> dict[str, np.ndarray]:
        return {key: self._view(key) for key in self._keys}

    def _view(self, key: str) -> np.ndarray:
        match key:
            case "pixels":
                return self._pixels()
            case "proprio":
                return self._proprio()
            case "depth":
                return self._depth()
            case _:
                return self._state


def shapes_of(state_size: int, image_size: int) -> dict[str, tuple[int, ...]]:
    """Of everything that can be observed."""
    return {
        "state": (state_size,),
        "pixels": (image_size, image_size, 3),
        "proprio": (PROPRIO,),
        "depth": (DEPTH_RAYS[0] * DEPTH_RAYS[1],),
    }


def _space(key: str, shape: tuple[int, ...]) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8) if key == "pixels" else spaces.Box(-np.inf, np.inf, shape, np.float32)
