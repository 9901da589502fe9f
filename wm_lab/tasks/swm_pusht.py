"""`task=swm/pusht`: stable-worldmodel's PushT (MIT), a disc that pushes a T to a pose, without that package.

Bodies, controller, starts and the success test are those of `stable_worldmodel/envs/pusht/env.py` (commit addbab4) in
its default variation, on pymunk; the code is our own. Lengths are in pixels of its window of 512, and pictures are
drawn small instead of being made smaller. `task=gym/pusht` is another T: there one pose is the goal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from wm_lab.domains import Steps
from wm_lab.errors import UserError
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.extras import need
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import Task, TaskSpec, Variable, defining_options

SIDE = 512.0
LOW, HIGH, THICK = 5.0, 506.0, 2.0  # walls, and half their thickness
RADIUS = 15.0  # of the disc
BAR, STEM = ((-60.0, 60.0), (0.0, 30.0)), ((-15.0, 15.0), (30.0, 120.0))  # of the T, x and y in its own frame
REACH = 100.0  # how far from the disc an action puts its controller's target
STIFF, DAMPED, TICK, TICKS = 100.0, 20.0, 0.01, 10  # PD controller; s, and ticks in a step
AGENT_STARTS, BLOCK_STARTS = (50.0, 450.0), (100.0, 400.0)
NEAR, TURNED = 20.0, math.pi / 9  # success: disc and T together nearer than this, and less turned
FAR = 200.0  # typical distance to a goal
PARKED = (256.0, 256.0, math.pi / 4)  # of a pale T in every picture, whatever the goal
WHITE, GREY, PALE = np.full(3, 255.0), np.full(3, 211.0), np.array([144.0, 238.0, 144.0])
SLATE, BLUE = np.array([119.0, 136.0, 153.0]), np.array([65.0, 105.0, 225.0])  # edges of T and disc
LIGHTER = 1.2  # within them
EDGE, RING = 2.0, 4.0
START, GOAL = slice(0, 7), slice(7, 12)  # in a snapshot, before the steps played and the actions that were
HEAD = 13
FINE = 2  # samples to a side of a pixel


@dataclass
class PushTConfig(EnvConfig):
    episode_steps: Steps = 200
    """Control steps after which an episode ends."""


class PushTTask(Task):
    """State: disc, T, cosine and sine of the T's turn, velocity of the disc; then where disc and T shall be, and so on.

    Nothing but the engine knows what touches what since when, so an episode is gone back to by playing its actions
    again: 0.2 ms a step.
    """

    Config = PushTConfig
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode = "rgb_array"

    def __init__(self, config: PushTConfig) -> None:
        need("pymunk", "task=swm/pusht", "swm")
        self.config = config
        shape = (14,) if config.observation == "state" else (config.image_size, config.image_size, 3)
        self.task_spec = TaskSpec(
            name="swm/pusht",
            observation={config.observation: shape},
            action_size=2,
            episode_steps=config.episode_steps,
            control_hz=1 / (TICKS * TICK),
            tags=("contact", "precise"),
            instruction="Push the T to where it shall lie, and go where you shall be.",
            success_test=f"disc-and-T-to-goal<{NEAR:g}, turn<{math.degrees(TURNED):g}deg@1",
            physics=f"pymunk {version('pymunk')}, pusht 1, after stable-worldmodel addbab4",
            variables=(
                Variable("disc", 0, 2, "px", NEAR),
                Variable("block", 2, 4, "px", NEAR),
                Variable("turn", 4, 6, "cos, sin", TURNED),
                Variable("velocity", 6, 8, "px/s"),
                Variable("goal", 8, 14, "px; cos, sin"),
            ),
            settings=defining_options(config),
        )
        box = spaces.Box(-np.inf, np.inf, shape, np.float32)
        picture = spaces.Box(0, 255, shape, np.uint8)
        self.observation_space = spaces.Dict({config.observation: box if config.observation == "state" else picture})
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._goal = np.zeros(5)
        self.reset(seed=0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        redrawn = 0
        while True:
            drawn, self._goal = (self._pose() for _ in range(2))
            self._begin(np.concatenate([drawn, [0.0, 0.0]]))
            if not self._solved():
                return self._observe(), {"success": False, "contact": False, "redrawn": redrawn}
            redrawn += 1

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """One step of 0.1 s under an action [2]: where the disc is drawn to, from where it is."""
        if not np.isfinite(action).all():
            raise UserError(f"{self.task_spec.name} was given an action that is not a number: {action}")
        self._play(np.clip(np.asarray(action, np.float32), -1.0, 1.0))
        result = {"success": self._solved(), "contact": self._table.touched}
        reward = -float(self.cost(torch.from_numpy(self.state())))
        return self._observe(), reward, False, len(self._played) >= self.config.episode_steps, result

    def state(self) -> np.ndarray:
        x, y, block_x, block_y, turn, *velocity = self._table.pose
        *goal, goal_turn = self._goal
        turned = [math.cos(turn), math.sin(turn)], [math.cos(goal_turn), math.sin(goal_turn)]
        return np.array([x, y, block_x, block_y, *turned[0], *velocity, *goal, *turned[1]], np.float32)

    def cost(self, state: Tensor) -> Tensor:
        """How far disc and T are from the goal together, 1 where it is an ordinary way, and the turn in half turns."""
        away = (state[..., :4] - state[..., 8:12]).norm(dim=-1) / FAR
        cost: Tensor = away + _turned(state).abs() / math.pi
        return cost

    def goal_state(self, state: Tensor) -> Tensor:
        rest = torch.zeros_like(state[..., 6:8])
        return torch.cat([state[..., 8:14], rest, state[..., 8:14]], -1)

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        self._goal = np.array([*state[:4], math.atan2(state[5], state[4])], np.float64)
        return self._observe()

    @property
    def has_expert(self) -> bool:
        return False

    def snapshot(self) -> np.ndarray:
        """Where the episode began, its goal, and all that was done; room for a second episode on top of the first."""
        put = np.zeros(HEAD + 4 * self.config.episode_steps)
        put[START], put[GOAL], put[HEAD - 1] = self._start, self._goal, len(self._played)
        if 2 * len(self._played) > len(put) - HEAD:
            raise UserError(f"{self.task_spec.name} goes back to no more than {2 * self.config.episode_steps} steps")
        put[HEAD : HEAD + 2 * len(self._played)] = np.ravel(self._played)
        return put

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        size = HEAD + 4 * self.config.episode_steps
        if snapshot.shape != (size,):
            raise UserError(f"{self.task_spec.name} has snapshots of {size} numbers; found shape {snapshot.shape}")
        count = int(snapshot[HEAD - 1])
        self._goal = snapshot[GOAL].copy()
        self._begin(snapshot[START].copy())
        for action in snapshot[HEAD : HEAD + 2 * count].reshape(count, 2):
            self._play(action.astype(np.float32))
        return self._observe()

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        """An episode that begins there."""
        put = np.zeros(HEAD + 4 * self.config.episode_steps)
        turn, goal_turn = math.atan2(state[5], state[4]), math.atan2(state[13], state[12])
        put[START] = *state[:4], turn, *state[6:8]
        put[GOAL] = *state[8:12], goal_turn
        return put

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        """For people the pale T lies where the T shall; the picture is square, within what is asked for."""
        side = min(size)
        picture = np.full((size[1], size[0], 3), 255, np.uint8)
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
        x, y, turn = self._goal[2:]
        picture[top : top + side, left : left + side] = draw(side, self._table.pose, (x, y, turn))
        return picture

    def _begin(self, start: np.ndarray) -> None:
        self._start = start
        self._played: list[np.ndarray] = []
        self._table = PushTable(start)

    def _play(self, action: np.ndarray) -> None:
        self._played.append(action)
        self._table.step(action)

    def _pose(self) -> np.ndarray:
        """Disc, T, and turn [5], drawn at random."""
        disc, block = (self.np_random.uniform(*within, 2) for within in (AGENT_STARTS, BLOCK_STARTS))
        return np.array([*disc, *block, self.np_random.uniform(-2 * math.pi, 2 * math.pi)])

    def _solved(self) -> bool:
        state = torch.from_numpy(self.state())
        return bool((state[:4] - state[8:12]).norm() < NEAR and _turned(state).abs() < TURNED)

    def _observe(self) -> dict[str, np.ndarray]:
        if self.config.observation == "state":
            return {"state": self.state()}
        return {"pixels": draw(self.config.image_size, self._table.pose, PARKED)}


class PushTable:
    """Disc, T and walls in pymunk."""

    def __init__(self, start: np.ndarray) -> None:
        """start: disc, T, turn, velocity of the disc [7]; all take effect in a first tick, as published"""
        import pymunk  # of an extra

        self._space = space = pymunk.Space()
        space.damping = 0
        corners = [(LOW, HIGH), (LOW, LOW), (HIGH, LOW), (HIGH, HIGH), (LOW, HIGH)]
        space.add(*(pymunk.Segment(space.static_body, a, b, THICK) for a, b in pairwise(corners)))
        self._disc = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self._disc.position = start[0], start[1]
        space.add(self._disc, pymunk.Circle(self._disc, RADIUS))
        bar, stem = ([(x[0], y[1]), (x[1], y[1]), (x[1], y[0]), (x[0], y[0])] for x, y in (BAR, STEM))
        self._block = pymunk.Body(1, 2 * pymunk.moment_for_poly(1, vertices=bar))  # the published stem weighs as a bar
        shapes = [pymunk.Poly(self._block, vertices) for vertices in (bar, stem)]
        self._block.center_of_gravity = (shapes[0].center_of_gravity + shapes[1].center_of_gravity) / 2
        self._block.position = start[2], start[3]
        space.add(self._block, *shapes)
        self._disc.velocity = start[5], start[6]
        self._block.angle = start[4]
        self._block.position = start[2], start[3]  # again, since a body turns about its centre of gravity
        space.step(TICK)

    def step(self, action: np.ndarray) -> None:
        disc = self._disc
        aim = disc.position + REACH * np.asarray(action, np.float64)
        for _ in range(TICKS):
            disc.velocity += TICK * (STIFF * (aim - disc.position) - DAMPED * disc.velocity)
            self._space.step(TICK)

    @property
    def pose(self) -> tuple[float, ...]:
        """Disc, T, turn, velocity of the disc: 7 numbers."""
        disc, block = self._disc, self._block
        return (*disc.position, *block.position, block.angle, *disc.velocity)

    @property
    def touched(self) -> bool:
        """Whether the T touches disc or walls."""
        found: list[object] = []
        self._block.each_arbiter(found.append)
        return bool(found)


def draw(side: int, pose: tuple[float, ...], pale: tuple[float, float, float]) -> np.ndarray:
    """The table [side, side, 3] uint8, with a pale T at x, y and turn; each pixel the mean of some points in it."""
    at = (np.arange(side * FINE) + 0.5) * (SIDE / (side * FINE))
    x, y = at, at[:, None]
    picture = np.tile(WHITE, (len(at), len(at), 1))
    picture[_within_tee(x, y, pale)] = PALE
    walls = [abs(along - wall) <= THICK for along in (x, y) for wall in (LOW, HIGH)]
    picture[walls[0] | walls[1] | walls[2] | walls[3]] = GREY
    away = np.hypot(x - pose[0], y - pose[1])
    picture[away <= RADIUS] = BLUE
    picture[away <= RADIUS - RING] = np.minimum(LIGHTER * BLUE, 255)
    picture[_within_tee(x, y, pose[2:5], EDGE)] = SLATE
    picture[_within_tee(x, y, pose[2:5], -EDGE)] = LIGHTER * SLATE
    seen: np.ndarray = picture.reshape(side, FINE, side, FINE, 3).mean((1, 3)).astype(np.uint8)
    return seen


def _within_tee(x: np.ndarray, y: np.ndarray, pose: tuple[float, ...], wider: float = 0.0) -> np.ndarray:
    """Which points lie in the T, or so much beside its parts; its own frame stands at `pose`: x, y, turn."""
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    along, across = cos * (x - pose[0]) + sin * (y - pose[1]), cos * (y - pose[1]) - sin * (x - pose[0])
    parts = [
        (abs(along) <= right + wider) & (across >= low - wider) & (across <= high + wider)
        for (_, right), (low, high) in (BAR, STEM)
    ]
    found: np.ndarray = parts[0] | parts[1]
    return found


def _turned(state: Tensor) -> Tensor:
    """The turn [...] that is left of states [..., 14], in (-pi, pi]."""
    cos, sin, goal_cos, goal_sin = state[..., 4], state[..., 5], state[..., 12], state[..., 13]
    return torch.atan2(cos * goal_sin - sin * goal_cos, cos * goal_cos + sin * goal_sin)
