"""`task=fetch/...`: the Fetch arm of gymnasium_robotics (Plappert et al. 2018), reaching, pushing, sliding, picking.

Actions are a displacement of the gripper, up to 5 cm a step in x, y and z, and the opening of its fingers, at 25 Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import gymnasium
import numpy as np
from torch import Tensor

from wm_lab.domains import Domain
from wm_lab.errors import unknown
from wm_lab.tasks import dense
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import Facts, make, pieces
from wm_lab.tasks.extras import need
from wm_lab.tasks.fetch.experts import FetchPickExpert, FetchPushExpert, FetchReachExpert, FetchSlideExpert
from wm_lab.tasks.goal_env import GoalEnvTask
from wm_lab.tasks.raycast import Marker
from wm_lab.tasks.task import Expert, consecutive

GRIP, THING, FINGERS = slice(0, 3), slice(3, 6), slice(9, 11)  # in the state of tasks with a thing
OPEN = 0.05  # m, of each finger
BEHIND = 0.06  # m, of the gripper's middle while it pushes
HELD = 0.49  # opening of the fingers, from 0 to 1, with a block between them


class FetchKind(NamedTuple):
    """What sets one Fetch task apart from the others."""

    cost: Callable[[Tensor], Tensor]
    expert: Callable[[Any], Expert]
    tags: tuple[str, ...]
    instruction: str


def _reach(x: Tensor) -> Tensor:
    return dense.length(x[..., GRIP] - x[..., -3:]) / dense.FAR


def _behind(way: Tensor) -> Tensor:
    """From the gripper that pushes along a way [..., 3] to the thing."""
    behind: Tensor = way * (BEHIND / way.norm(dim=-1, keepdim=True).clamp_min(dense.ROUNDING))
    return behind


def _push(x: Tensor) -> Tensor:
    return dense.push(x[..., GRIP], x[..., THING], x[..., -3:], behind=BEHIND)


def _pick(x: Tensor) -> Tensor:
    way = dense.length(x[..., THING] - x[..., -3:])
    opening = x[..., FINGERS].mean(-1) / OPEN
    return dense.carry(x[..., GRIP], opening, x[..., THING], way, held=HELD, above=0.05, radius=0.02)


KNOWN = {
    "FetchReach": FetchKind(_reach, FetchReachExpert, ("reach",), "Move the gripper to the pink ball."),
    "FetchPush": FetchKind(_push, FetchPushExpert, ("contact",), "Push the block across the table to the pink ball."),
    "FetchSlide": FetchKind(
        _push,
        FetchSlideExpert,
        ("contact", "precise"),
        "Hit the puck so that it slides to the pink ball and stops there.",
    ),
    "FetchPickAndPlace": FetchKind(
        _pick, FetchPickExpert, ("contact",), "Pick up the block and hold it where the pink ball is."
    ),
}


@dataclass
class FetchConfig(EnvConfig):
    id: str = "FetchPush-v4"
    """FetchReach-v4, FetchPush-v4, FetchSlide-v4 or FetchPickAndPlace-v4."""
    tolerance: Annotated[float, Domain(above=0, most=0.2)] | None = None
    """Metres of success; the library's own is 5 cm."""


class FetchTask(GoalEnvTask):
    """Success: the gripper (reach) or the thing (others) is within the tolerance of the goal."""

    Config = FetchConfig
    camera = "external_camera_0"
    fields = ("xpos", "xquat")  # the controller moves the gripper from where its body was last seen

    def __init__(self, config: FetchConfig) -> None:
        gymnasium.register_envs(need("gymnasium_robotics", f"task.id={config.id}"))
        known = sorted(f"{name}-v4" for name in KNOWN)
        if config.id not in known:
            raise unknown("task.id", config.id, known)
        env, steps = make(config.id)
        self._known = KNOWN[config.id.partition("-")[0]]
        self._tolerance = config.tolerance or env.distance_threshold
        super().__init__(config, env, env.action_space, steps or 0)

    def cost(self, state: Tensor) -> Tensor:
        return self._known.cost(state)

    def solved(self, states: np.ndarray) -> np.ndarray:
        moved = states[..., THING if self._env.has_object else GRIP]
        return np.asarray(np.linalg.norm(moved - states[..., -3:], axis=-1) < self._tolerance)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return consecutive(position=3, fingers=1)

    def goal_state(self, state: Tensor) -> Tensor:
        """At rest with the gripper, or the thing, on the goal; a gripper that carries or pushes has come along."""
        there, goal = state.clone(), state[..., -3:]
        if not self._env.has_object:
            there[..., GRIP], there[..., 5:10] = goal, 0.0
            return there
        moved = goal - state[..., THING]
        there[..., THING], there[..., 14:25] = goal, 0.0
        grip = goal if self._known.cost is _pick else goal - _behind(moved)
        there[..., GRIP] = grip
        there[..., 6:9] = goal - grip
        return there

    def expert(self) -> Expert:
        return self._known.expert(self)

    def _prepare(self) -> None:
        super()._prepare()
        model = self._env.model
        cross = model.geom_bodyid == model.body("robot0:mocap").id
        model.geom_rgba[cross, 3] = 0.0  # green lines to the ends of the world, which hide what matters

    @property
    def _achieved(self) -> slice:
        return THING if self._env.has_object else GRIP

    def _solved(self, info: dict[str, Any]) -> bool:
        return self._distance < self._tolerance

    def _robot(self) -> int:
        body: int = self._env.model.body("robot0:gripper_link").id  # some of these robots have no actuator
        return body

    def _markers(self) -> list[Marker]:
        return [self._goal_ball(0.02)]

    def _facts(self) -> Facts:
        thing: tuple[tuple[str, int, str], ...] = ()
        motion: tuple[tuple[str, int, str], ...] = ()
        if self._env.has_object:
            thing = (("block", 3, "m"), ("block_from_gripper", 3, "m, difference"))
            motion = (
                ("block_rotation", 3, "rad"),
                ("block_velocity", 3, "m/step, from the gripper's"),
                ("block_turning", 3, "rad/step"),
            )
        moved = "block" if thing else "gripper"
        return Facts(
            name=f"fetch/{self.config.id}",
            library=f"gymnasium_robotics {version('gymnasium_robotics')}",
            control_hz=1.0 / self._env.dt,
            tags=self._known.tags,
            instruction=self._known.instruction,
            success_test=f"{moved}-to-goal<{self._tolerance:g}@1",
            variables=pieces(
                ("gripper", 3, "m"),
                *thing,
                ("fingers", 2, "m"),
                *motion,
                ("gripper_velocity", 3, "m/step"),
                ("finger_velocity", 2, "m/step"),
                ("goal", 3, "m"),
                tolerance={moved: self._tolerance},
            ),
            settings={"tolerance": self._tolerance},
        )
