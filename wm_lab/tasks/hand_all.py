"""`task=hand/all`: the five goals of the hand family as one task, which of them an episode has is a matter of chance.

States are padded to one layout: blocks that a goal does not have are zeros, and marked as absent. The goals have scenes
of their own, so a policy seldom needs the sentence to know what to do; where it does need it is `task=hand/table`.

| numbers        | name             | unit                                                            |
|----------------|------------------|-----------------------------------------------------------------|
| 0:25           | as of the hand   | joints, velocity, setpoint, tcp (`wm_lab.tasks.hand.state`)     |
| 25:34          | block positions  | m, three slots; the peg is in the first                         |
| 34:46          | block rotations  | quaternion w, x, y, z                                           |
| 46:49          | goal             | m                                                               |
| 49:52          | present          | 1 or 0, of each block                                           |
| 52:            | task             | 1 at the goal that the episode has, in the order of `task.goals` |

The numbers before the last are the *scene*, which does not say the goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import mujoco
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.experts import HandExpert
from wm_lab.tasks.hand.goals import GOALS
from wm_lab.tasks.hand.gripper import OBSERVATIONS, GripperConfig, shapes_of
from wm_lab.tasks.hand.physics import ACTIONS
from wm_lab.tasks.hand.scene import CONTROL_HZ
from wm_lab.tasks.hand.state import PROPRIO, Layout
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import SCENE, Task, TaskSpec, Variable, defining_options
from wm_lab.tasks.variation import Factors

SLOTS = Layout(max(goal.blocks for goal in GOALS.values()))
"""Of as many blocks as any goal has."""

PRESENT = SLOTS.size
WHICH = PRESENT + SLOTS.blocks
"""Where it stands who is there, and which goal the episode has."""

SEEN = OBSERVATIONS | {"scene": (SCENE,)}


@dataclass
class HandAllConfig(GripperConfig):
    """Options of the hand's goals together. None keeps each goal's own value."""

    observation: str = "state"
    """state (with the goal's number), scene (the same without it), pixels, pixels_proprio (with the robot's own joint
    readings) or depth (512 rays)."""
    goals: list[str] = field(default_factory=lambda: list(GOALS))
    """Which of them an episode may have, each alike often."""

    def __post_init__(self) -> None:
        self.require_observation(list(SEEN))
        for name in self.goals:
            if name not in GOALS:
                raise unknown("goal in task.goals", name, GOALS)
        if len(set(self.goals)) != len(self.goals) or len(self.goals) < 2:
            raise UserError(f"task.goals={self.goals} must name at least two goals, and none twice")


class HandAllTask(Task):
    """Plays one of several `HandTask`s. A snapshot [S] leads with its number and is padded to the longest."""

    Config = HandAllConfig
    metadata = HandTask.metadata
    render_mode = HandTask.render_mode

    def __init__(self, config: HandAllConfig) -> None:
        self.config = config
        steps = config.episode_steps or max(GOALS[name].episode_steps for name in config.goals)
        options = {f.name: getattr(config, f.name) for f in fields(GripperConfig)}
        options |= {"observation": "state" if config.observation == SCENE else config.observation}
        options |= {"episode_steps": steps}
        self._tasks = [HandTask(HandConfig(**options, goal=name)) for name in config.goals]
        self._sizes = [len(task.snapshot()) for task in self._tasks]
        self._number = 0  # of the goal of this episode
        self._told = 0  # of the goal whose sentence it is told; -1: none
        self._keys = SEEN[config.observation]
        self.task_spec = self._describe(steps)
        inner = self._tasks[0].observation_space
        assert isinstance(inner, spaces.Dict)
        vectors = {key: spaces.Box(-np.inf, np.inf, shape) for key, shape in self.task_spec.observation.items()}
        self.observation_space = spaces.Dict(
            {key: vectors[key] if key in ("state", SCENE) else inner[key] for key in self._keys}
        )
        self.action_space = self._tasks[0].action_space
        self.reset(seed=0)

    @property
    def running(self) -> HandTask:
        """The goal that this episode has."""
        return self._tasks[self._number]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The goals that an episode may have."""
        return tuple(self.config.goals)

    @property
    def kind(self) -> str:
        return self.kinds[self._number]

    @property
    def asks(self) -> tuple[str, ...]:
        """A scene is made for one goal."""
        return ("own",)

    @property
    def tellings(self) -> tuple[str, ...]:
        return ("other", "nothing")

    @property
    def instruction(self) -> str:
        return "" if self._told < 0 else self._tasks[self._told].instruction

    def retell(self, how: str) -> None:
        """Tell the episode that has just begun the sentence of another goal, or none; what is asked stays."""
        if how not in self.tellings:
            raise unknown("way to tell", how, self.tellings)
        self._told = (self._number + 1) % len(self._tasks) if how == "other" else -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._number = self._told = int(self.np_random.integers(len(self._tasks)))
        seed = int(self.np_random.integers(2**31)) if seed is None else seed
        seen, info = self.running.reset(seed=seed)
        return self._seen(seen), info

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        seen, reward, ended, truncated, info = self.running.step(action)
        return self._seen(seen), reward, ended, truncated, info

    def command(self, action: np.ndarray) -> np.ndarray:
        return self.running.command(action)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return self.running.action_groups

    def state(self) -> np.ndarray:
        return self._padded(self.running.state(), self._number)

    def cost(self, state: Tensor) -> Tensor:
        costs = [task.cost(self._own(state, number)) for number, task in enumerate(self._tasks)]
        cost: Tensor = (torch.stack(costs, -1) * state[..., WHICH:]).sum(-1)
        return cost

    def goal_state(self, state: Tensor) -> Tensor:
        there = state.clone()
        for number, task in enumerate(self._tasks):
            goal = task.goal_state(self._own(state, number))
            places = self._places(number)
            there[..., places] = torch.where(state[..., WHICH + number, None] > 0.5, goal, there[..., places])
        return there

    def expert(self) -> HandExpert:
        return self.running.expert()

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        return self._seen([task.vary(factors) for task in self._tasks][self._number])

    def snapshot(self) -> np.ndarray:
        return self._wrapped(self.running.snapshot(), self._number, self._told)

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        if snapshot.shape != (2 + max(self._sizes),):
            raise UserError(
                f"{self.task_spec.name} has snapshots of {2 + max(self._sizes)} numbers; found shape {snapshot.shape}"
            )
        self._number, self._told = int(snapshot[0]), int(snapshot[1])
        return self._seen(self.running.restore(self._unwrapped(snapshot, self._number)))

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        number = int(state[WHICH:].argmax())
        return self._wrapped(self._tasks[number].snapshot_like(self._own(state, number)), number, number)

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        found = np.empty((len(snapshots), WHICH + len(self._tasks)), np.float32)
        for number, rows in self._by_goal(snapshots):
            found[rows] = self._padded(self._tasks[number].states(self._unwrapped(snapshots[rows], number)), number)
        return found

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        states = np.empty((*actions.shape[:3], WHICH + len(self._tasks)), np.float32)
        success = np.empty(actions.shape[:3], bool)
        for number, rows in self._by_goal(snapshots):
            starts = self._unwrapped(snapshots[rows], number)
            played, success[rows] = self._tasks[number].simulate_batch(starts, actions[rows], threads)
            states[rows] = self._padded(played, number)
        return states, success

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        after = snapshots.copy()
        for number, rows in self._by_goal(snapshots):
            own = slice(2, 2 + self._sizes[number])
            after[rows, own] = self._tasks[number].successors(snapshots[rows, own], actions[rows])
        return after

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        return self.running.in_picture(points)

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        if overlay.ghost is not None:
            overlay = overlay._replace(ghost=self._own(np.asarray(overlay.ghost), self._number))
        self.running.renderer = self.renderer
        return self.running.render(size, camera, overlay)

    def _seen(self, seen: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        ends = {"state": None, SCENE: WHICH}
        return {key: self.state()[: ends[key]] if key in ends else seen[key] for key in self._keys}

    def _by_goal(self, snapshots: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Of snapshots [M, S], each goal's number and rows."""
        numbers = snapshots[:, 0].astype(int)
        return [(int(number), np.flatnonzero(numbers == number)) for number in np.unique(numbers)]

    def _wrapped(self, snapshot: np.ndarray, number: int, told: int) -> np.ndarray:
        wrapped = np.zeros(2 + max(self._sizes))
        wrapped[:2] = number, told
        wrapped[2 : 2 + len(snapshot)] = snapshot
        return wrapped

    def _unwrapped(self, snapshots: np.ndarray, number: int) -> np.ndarray:
        return snapshots[..., 2 : 2 + self._sizes[number]]

    def _places(self, number: int) -> list[int]:
        """Where the numbers of a goal's own states stand in the padded ones."""
        blocks = GOALS[self.kinds[number]].blocks
        turned = SLOTS.rotation(0)
        return [
            *range(PROPRIO + 3 * blocks),
            *range(turned, turned + 4 * blocks),
            *range(SLOTS.goal, SLOTS.size),
        ]

    def _own(self, state: Any, number: int) -> Any:
        """Padded states [..., D] as a goal sees its own; arrays or tensors."""
        return state[..., self._places(number)]

    def _padded(self, own: np.ndarray, number: int) -> np.ndarray:
        state = np.zeros((*own.shape[:-1], WHICH + len(self._tasks)), np.float32)
        state[..., self._places(number)] = own
        state[..., PRESENT : PRESENT + GOALS[self.kinds[number]].blocks] = 1.0
        state[..., WHICH + number] = 1.0
        return state

    def _describe(self, steps: int) -> TaskSpec:
        specs = [task.task_spec for task in self._tasks]
        shapes = shapes_of(WHICH + len(specs), self.config.image_size) | {SCENE: (WHICH,)}
        tolerances = [spec.settings["tolerance"] for spec in specs]
        return TaskSpec(
            name="hand/all",
            observation={key: shapes[key] for key in self._keys},
            action_size=ACTIONS,
            episode_steps=steps,
            control_hz=CONTROL_HZ,
            tags=tuple(dict.fromkeys(tag for spec in specs for tag in spec.tags)),
            instruction="Do what the sentence of the episode says.",
            success_test=", ".join(f"{spec.name.split('/')[1]} {spec.success_test}" for spec in specs),
            physics=specs[0].physics.replace(
                f"mujoco {mujoco.__version__}, ", f"mujoco {mujoco.__version__}, all goals, "
            ),
            variables=_variables(self.kinds, min(tolerances)),
            settings=defining_options(self.config) | {"tolerance": tolerances, "episode_steps": steps},
        )


def _variables(goals: Sequence[str], tolerance: float) -> tuple[Variable, ...]:
    names = [f"block{number + 1}" for number in range(SLOTS.blocks)]
    pieces = SLOTS.variables(dict.fromkeys(names, tolerance))
    present = (Variable(f"{name}_present", at, at + 1, "0 or 1") for at, name in enumerate(names, PRESENT))
    return (*pieces, *present, Variable("task", WHICH, WHICH + len(goals), "0 or 1"))
