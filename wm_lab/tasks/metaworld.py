"""`task=metaworld/...`: the fifty tasks of Meta-World (Yu et al. 2019; McLean et al. 2025), with its bundled policies.

Actions are a displacement of the hand, up to 1 cm a step in x, y and z, and the closing of its fingers, at 80 Hz. The
library draws starts from a fixed list of fifty; here each seed draws its own from the same ranges.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import mujoco
import numpy as np
from torch import Tensor

from wm_lab.errors import unknown
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import EnvTask, Facts, pieces
from wm_lab.tasks.extras import need
from wm_lab.tasks.metaworld_costs import COSTS, HAND, MENDED, OPENING, REVISION, THING, caution, guess
from wm_lab.tasks.metaworld_success import SUCCESS
from wm_lab.tasks.raycast import Marker, View
from wm_lab.tasks.task import Expert, consecutive

FRAME = 18  # numbers of one frame; a state holds this frame, the one before, and the goal
FOREVER = 10**9  # steps after which the library would refuse to go on


@dataclass
class MetaworldConfig(EnvConfig):
    name: str = "push-v3"
    """Any of the fifty, such as reach-v3, drawer-open-v3 or peg-insert-side-v3."""


class MetaworldTask(EnvTask):
    """Success is the library's own, in the step's `info`."""

    Config = MetaworldConfig
    camera = View.towards((0.0, 0.62, 0.1), eye=(0.65, 1.35, 0.75))  # the library's own stand on their heads

    def __init__(self, config: MetaworldConfig) -> None:
        wanted = f"task.name={config.name}"
        kinds = need("metaworld.env_dict", wanted).ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE
        known = [name.removesuffix("-goal-observable") for name in kinds]
        if config.name not in known:
            raise unknown("task.name", config.name, known)
        env = kinds[f"{config.name}-goal-observable"]()
        env.seeded_rand_vec, env._freeze_rand_vec = True, False  # starts are drawn anew, from the environment's seed
        env.max_path_length = FOREVER
        self._policy = need("metaworld.policies", wanted).ENV_POLICY_MAP[config.name]
        self._cost = COSTS.get(config.name, guess)
        super().__init__(config, env, env.action_space, type(env).max_path_length)

    def cost(self, state: Tensor) -> Tensor:
        return self._cost(state)

    def solved(self, states: np.ndarray) -> np.ndarray:
        test = SUCCESS.get(self.config.name, super().solved)
        return test(states)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return consecutive(position=3, fingers=1)

    @property
    def cost_caution(self) -> str:
        return caution(self.config.name)

    def expert(self) -> Expert:
        return MetaworldExpert(self, self._policy())

    @property
    def seen(self) -> np.ndarray:
        """What the library's policies read: the state [39], in double precision."""
        return self._seen

    def _draw(self, seed: int | None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._env.seed(seed)
        begun: tuple[Any, dict[str, Any]] = self._env.reset()
        return begun

    def _read(self, seen: np.ndarray, info: dict[str, Any]) -> np.ndarray:
        self._seen = seen
        return seen

    def _solved(self, info: dict[str, Any]) -> bool:
        if not info:
            mujoco.mj_forward(self._env.model, self._env.data)  # a reset leaves positions where they were before it
            info = self._env.evaluate_state(self._seen, np.zeros(4, np.float32))[1]
        return bool(info["success"])

    def _keep(self) -> np.ndarray:
        return np.concatenate([self._env._prev_obs, self._seen])

    def _recall(self, kept: np.ndarray) -> None:
        self._env._prev_obs, self._seen = kept[:FRAME].copy(), kept[FRAME:].copy()

    def _markers(self) -> list[Marker]:
        return [self._goal_ball(0.015)]

    def points(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """Where a task has no other thing, the library says that it is at zero."""
        return {name: places for name, places in super().points(states).items() if np.any(places)}

    @property
    def _revision(self) -> str:
        """Of the cost, which the reward is, and of the expert: nothing where they are as they always were."""
        cost = f", cost {REVISION}" if self.config.name in MENDED else ""
        return cost + (f", expert {EXPERT_REVISION}" if self.config.name in GRASPS else "")

    def _facts(self) -> Facts:
        frame = (
            ("hand", 3, "m"),
            ("opening", 1, "1"),
            ("thing", 3, "m"),
            ("thing_rotation", 4, "quaternion"),
            ("other", 3, "m"),
            ("other_rotation", 4, "quaternion"),
        )
        # The frame before is no second set of points: how things lie to one another is asked of the present alone.
        before = tuple((f"{name}_before", size, "m, before" if unit == "m" else unit) for name, size, unit in frame)
        words = self.config.name.removesuffix("-v3").replace("-", " ")
        return Facts(
            name=f"metaworld/{self.config.name}",
            library=f"metaworld {version('metaworld')}{self._revision}",
            control_hz=1.0 / self._env.dt,
            tags=TAGS.get(self.config.name, ("contact",)),
            instruction=INSTRUCTIONS.get(self.config.name, f"Do what is called {words}."),
            success_test=f"metaworld {self.config.name} info['success']@1",
            variables=pieces(*frame, *before, ("goal", 3, "m")),
        )


class MetaworldExpert(Expert):
    """The library's own policy for the task, which sees no more than the state."""

    def __init__(self, task: MetaworldTask, policy: Any) -> None:
        self._task, self._policy = task, policy
        self._grasp = GRASPS.get(task.config.name)

    def act(self) -> np.ndarray:
        seen = self._task.seen if self._grasp is None else self._grasp.as_held(self._task.seen)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that actions will be clipped
            action: np.ndarray = np.clip(self._policy.get_action(seen), -1.0, 1.0).astype(np.float32)
            return action


class Grasp(NamedTuple):
    """When a thing is held, which the library's policy tells by where it is alone.

    Where a thing that is held lies as far below the hand as the policy takes for lost, it reaches down for it again and
    again on its way, and nobody can clone what depends on a tenth of a millimetre.
    """

    opening: float  # of the fingers, below which they hold it
    below: float  # m, how far the policy may see it below the hand
    aside: float = 0.04  # m, from the hand's middle, up to where it is between the fingers

    def as_held(self, seen: np.ndarray) -> np.ndarray:
        """The state [39] with the thing no farther below the hand than that, where it is held."""
        hand, thing = seen[HAND], seen[THING]
        between = np.linalg.norm(hand[:2] - thing[:2]) < self.aside and 0 < hand[2] - thing[2] < 2 * self.below
        if seen[OPENING] >= self.opening or not between:
            return seen
        shown = seen.copy()
        shown[THING.stop - 1] = max(thing[2], hand[2] - self.below)
        return shown


GRASPS = {"peg-insert-side-v3": Grasp(opening=0.5, below=0.0249)}
"""The policy reaches down where the peg is more than 25 mm below the hand; held, it is at 24 to 26."""

EXPERT_REVISION = 2


TAGS = {
    "reach-v3": ("reach",),
    "reach-wall-v3": ("reach",),
    "peg-insert-side-v3": ("contact", "precise"),
    "assembly-v3": ("contact", "precise", "long-horizon"),
}
INSTRUCTIONS = {
    "reach-v3": "Move the hand to the pink ball.",
    "push-v3": "Push the puck to the pink ball.",
    "pick-place-v3": "Pick up the puck and hold it where the pink ball is.",
    "peg-insert-side-v3": "Pick up the peg and put it into the hole of the box from the side.",
    "assembly-v3": "Pick up the wrench by its handle and put its ring over the peg.",
}
