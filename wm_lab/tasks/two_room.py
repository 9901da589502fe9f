"""`task=swm/two_room`: the two rooms of stable-worldmodel (MIT), a dot that goes through a door, without that package.

Sizes, speed, collisions, starts and the success test are those of `stable_worldmodel/envs/two_room/env.py` (commit
addbab4) in its default variation, in pixels of a picture of 224; the code is our own. Its doors, colours and speeds do
not vary here, and pictures are drawn small instead of being made smaller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from wm_lab.domains import Steps
from wm_lab.errors import UserError
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import Expert, Task, TaskSpec, Variable, defining_options

SIDE = 224.0  # of the picture in which everything is measured
BORDER, BORDER_LINE = 14.0, 4.0  # where walls stand, and how thick they are drawn
RADIUS, SPEED = 7.0, 5.0  # of the dot, and how far it goes in a step
WALL, HALF = 112.0, 5.0  # x of the wall's middle, and half its thickness
DOOR, DOOR_HALF, MARGIN = 49.0, 14.0, 1.75  # y of the door's middle, half its width, and what it is wider for the dot
PUSHED = 0.5  # how far beside the wall the dot is left
NEAR = 16.0  # success: nearer than this
AT_THE_DOOR = 10.5  # where the expert turns to the goal
LOW, HIGH = BORDER + RADIUS, SIDE - BORDER - RADIUS  # of the dot, once it has moved
DRAWN = (BORDER, SIDE - BORDER - 1)  # starts and goals
STOP = HALF + RADIUS  # from the wall's middle
TYPICAL = 100.0  # of a way
FADED = 5 * RADIUS  # from a dot's middle: its opacity is less than a level of a colour
FINE = 4  # samples to a side of a pixel, of what never moves
WHITE, BLACK = 255.0, 0.0
RED, GREEN = np.array([255.0, 0.0, 0.0]), np.array([0.0, 200.0, 0.0])


@dataclass
class TwoRoomConfig(EnvConfig):
    episode_steps: Steps = 200
    """Control steps after which an episode ends."""


class TwoRoomTask(Task):
    """State: where the dot is and where it shall go, two numbers each. A picture shows the dot, and never the goal."""

    Config = TwoRoomConfig
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode = "rgb_array"

    def __init__(self, config: TwoRoomConfig) -> None:
        self.config = config
        shape = (4,) if config.observation == "state" else (config.image_size, config.image_size, 3)
        self.task_spec = TaskSpec(
            name="swm/two_room",
            observation={config.observation: shape},
            action_size=2,
            episode_steps=config.episode_steps,
            control_hz=10.0,
            tags=("reach",),
            instruction="Go through the door to the goal.",
            success_test=f"dot-to-goal<{NEAR:g}@1",
            physics="two_room 1, after stable-worldmodel addbab4",
            variables=(Variable("position", 0, 2, "px", NEAR), Variable("goal", 2, 4, "px")),
            settings=defining_options(config),
        )
        space = (
            spaces.Box(0.0, SIDE, shape, np.float32)
            if config.observation == "state"
            else spaces.Box(0, 255, shape, np.uint8)
        )
        self.observation_space = spaces.Dict({config.observation: space})
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._rooms: dict[int, np.ndarray] = {}
        self.position, self.goal = np.zeros(2), np.zeros(2)
        self.reset(seed=0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._steps = redrawn = 0
        while True:
            self.position, self.goal = self.np_random.uniform(*DRAWN, (2, 2))
            if abs(self.position[0] - WALL) <= STOP:
                continue  # within the wall
            if not self._solved():
                return self._observe(), {"success": False, "contact": False, "redrawn": redrawn}
            redrawn += 1

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """One step of 0.1 s under an action [2], a share of the speed in x and y."""
        if not np.isfinite(action).all():
            raise UserError(f"{self.task_spec.name} was given an action that is not a number: {action}")
        wanted = self.position + SPEED * np.clip(action, -1.0, 1.0)
        self.position = move(self.position, np.asarray(action, np.float64))
        self._steps += 1
        info = {"success": self._solved(), "contact": bool((wanted != self.position).any())}
        return self._observe(), -float(self._cost()), False, self._steps >= self.config.episode_steps, info

    def state(self) -> np.ndarray:
        return np.concatenate([self.position, self.goal]).astype(np.float32)

    def cost(self, state: Tensor) -> Tensor:
        """Length of the way, through the door where it leads to the other room, 1 where it is an ordinary one."""
        here, there = state[..., :2], state[..., 2:4]
        door = state.new_tensor([WALL, DOOR])
        around = (here - door).norm(dim=-1) + (there - door).norm(dim=-1)
        other = (here[..., 0] - WALL) * (there[..., 0] - WALL) < 0
        return torch.where(other, around, (here - there).norm(dim=-1)) / TYPICAL

    def goal_state(self, state: Tensor) -> Tensor:
        return torch.cat([state[..., 2:4], state[..., 2:4]], -1)

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        self.goal = np.asarray(state[:2], np.float64)
        return self._observe()

    def solved(self, states: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(states[..., :2] - states[..., 2:4], axis=-1) < NEAR)

    def expert(self) -> Expert:
        return TwoRoomExpert(self)

    def straight_line(self) -> Expert:
        return StraightLine(self)

    def snapshot(self) -> np.ndarray:
        return np.array([*self.position, *self.goal, self._steps], np.float64)

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        if snapshot.shape != (5,):
            raise UserError(f"{self.task_spec.name} has snapshots of 5 numbers; found shape {snapshot.shape}")
        self.position, self.goal, self._steps = snapshot[:2].copy(), snapshot[2:4].copy(), int(snapshot[4])
        return self._observe()

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        return np.array([*state, self._steps], np.float64)

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return snapshots[:, :4].astype(np.float32)

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        batch, count, horizon = actions.shape[:3]
        states = np.empty((batch, count, horizon, 4), np.float32)
        states[..., 2:] = snapshots[:, None, None, 2:4]
        position = np.repeat(snapshots[:, None, :2], count, 1)
        success = np.empty((batch, count, horizon), bool)
        for t in range(horizon):
            position = move(position, actions[:, :, t].astype(np.float64))
            states[:, :, t, :2] = position
            success[:, :, t] = np.linalg.norm(position - snapshots[:, None, 2:4], axis=-1) < NEAR
        return states, success

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        after = snapshots.copy()
        after[:, :2] = move(snapshots[:, :2], actions.astype(np.float64))
        after[:, 4] += 1
        return after

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        """For people the goal is drawn too; the picture is square, within what is asked for."""
        side = min(size)
        picture = np.full((size[1], size[0], 3), WHITE, np.uint8)
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        picture[top : top + side, left : left + side] = self._draw(side, [(self.goal, GREEN), (self.position, RED)])
        return picture

    def _cost(self) -> Tensor:
        return self.cost(torch.from_numpy(self.state()))

    def _solved(self) -> bool:
        return bool(np.linalg.norm(self.position - self.goal) < NEAR)

    def _observe(self) -> dict[str, np.ndarray]:
        if self.config.observation == "state":
            return {"state": self.state()}
        return {"pixels": self._draw(self.config.image_size, [(self.position, RED)])}

    def _draw(self, side: int, dots: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """The rooms [side, side, 3] uint8 with dots that fade like Gaussians, of a deviation of their radius."""
        if side not in self._rooms:
            self._rooms[side] = _rooms(side)
        picture, scale = self._rooms[side].copy(), side / SIDE
        for centre, color in dots:
            x, y = (slice(max(0, int((c - FADED) * scale)), int((c + FADED) * scale) + 2) for c in centre)
            at = (np.arange(side) + 0.5) / scale - 0.5
            fade = [np.exp(-((at[part] - c) ** 2) / (2 * RADIUS**2)) for part, c in zip((x, y), centre, strict=True)]
            opacity = (fade[1][:, None] * fade[0])[..., None]
            picture[y, x] += opacity * (color - picture[y, x])
        return picture.astype(np.uint8)


class TwoRoomExpert(Expert):
    """To the door where the goal is in the other room, and straight to the goal, at full speed until it is there."""

    def __init__(self, task: TwoRoomTask) -> None:
        self._task = task

    def act(self) -> np.ndarray:
        here, there = self._task.position, self._task.goal
        door = np.array([WALL, DOOR])
        apart = (here[0] > WALL) != (there[0] > WALL)
        return _towards(door if apart and np.linalg.norm(door - here) > AT_THE_DOOR else there, here)


class StraightLine(Expert):
    """Straight to the goal, against the wall where it is in between."""

    def __init__(self, task: TwoRoomTask) -> None:
        self._task = task

    def act(self) -> np.ndarray:
        return _towards(self._task.goal, self._task.position)


def _towards(there: np.ndarray, here: np.ndarray) -> np.ndarray:
    """At full speed, but on the last step."""
    way = there - here
    action: np.ndarray = (way / max(float(np.linalg.norm(way)), SPEED)).astype(np.float32)
    return action


def move(position: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Where dots [..., 2] are after actions [..., 2]: borders stop them, and so does the wall but in the door.

    Who comes from the left is tested against the wall's left side alone, so that a dot may turn within the door, and is
    put back beside the wall where it leaves the door sideways.
    """
    wanted = np.clip(position + SPEED * np.clip(action, -1.0, 1.0), LOW, HIGH)
    x, y = wanted[..., 0], wanted[..., 1]
    from_left = position[..., 0] < WALL
    in_door = np.abs(y - DOOR) <= DOOR_HALF + MARGIN
    stopped_left = from_left & (x > WALL - STOP) & ~in_door
    stopped_right = ~from_left & (x < WALL + STOP) & ~in_door
    x = np.where(stopped_left, WALL - STOP - PUSHED, np.where(stopped_right, WALL + STOP + PUSHED, x))
    return np.stack([x, y], -1)


def _rooms(side: int) -> np.ndarray:
    """[side, side, 3]: borders and wall, each pixel the mean of some points in it."""
    at = np.floor((np.arange(side * FINE) + 0.5) * (SIDE / (side * FINE)))  # pixels of the published picture
    x, y = at, at[:, None]
    lines = [(BORDER - BORDER_LINE, BORDER), (SIDE - BORDER, SIDE - BORDER + BORDER_LINE)]
    dark = (abs(x - WALL) <= HALF) & (abs(y - DOOR) > DOOR_HALF)
    for low, high in lines:
        dark = dark | ((x >= low) & (x < high)) | ((y >= low) & (y < high))
    shades = np.where(dark, BLACK, WHITE).reshape(side, FINE, side, FINE).mean((1, 3))
    return np.repeat(shades[..., None], 3, -1)
