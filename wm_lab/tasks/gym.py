"""`task=gym task.id=MyEnv-v0`: any Gymnasium environment with bounded continuous actions, as a task.

The adapter knows no environment by name. What the lab has been told of one (when it has succeeded, how far it still is,
who can solve it) stands in `KNOWN`; of others, the options `success_key`, `success_return`, `success` and `expert` say
it. Without them an environment has its reward alone: its state ends in the reward of arriving there, whose negative is
the cost, and tables show its returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from PIL import Image
from torch import Tensor

from wm_lab.errors import UserError, unknown
from wm_lab.tasks import gym_reacher
from wm_lab.tasks.env_task import EnvConfig, EnvTask, Facts
from wm_lab.tasks.replay import Replay
from wm_lab.tasks.task import Expert, Variable

STOCK = "gymnasium.envs.mujoco"  # environments of this module keep all of their state in MuJoCo


@dataclass(frozen=True)
class Known:
    """What must be known of an environment beyond Gymnasium's interface."""

    distance: Callable[[np.ndarray], float]  # state [D] -> what success compares with the tolerance
    measure: str  # its name in the success test
    tolerance: float
    cost: Callable[[Tensor], Tensor]  # states [..., D] -> [...], about 1 at the start
    goal_state: Callable[[Tensor], Tensor]
    expert: Callable[[GymTask], Expert]
    variables: tuple[Variable, ...]
    tags: tuple[str, ...]
    instruction: str


KNOWN = {
    "Reacher-v5": Known(
        distance=gym_reacher.distance,
        measure="fingertip-to-target",
        tolerance=gym_reacher.TOLERANCE,
        cost=gym_reacher.cost,
        goal_state=gym_reacher.goal_state,
        expert=gym_reacher.ReacherExpert,
        variables=gym_reacher.VARIABLES,
        tags=("reach",),
        instruction="Move the tip of the arm to the target.",
    )
}


@dataclass
class GymConfig(EnvConfig):
    id: str = "Reacher-v5"
    """Of a registered environment; `my_module:MyEnv-v0` imports the module that registers it."""
    tolerance: float | None = None
    """Of success where the lab knows the environment, in the unit of its success test: metres for Reacher."""
    success_key: str | None = None
    """Key of `info` that says success."""
    success_return: float | None = None
    """Sum of rewards, from the episode's start on, from which it counts as solved."""
    success: str | None = None
    """`my_module:function` of (observation, info), as the environment returned them: whether it is solved now."""
    expert: str | None = None
    """`my_module:function` of (observation, env): the action, in the environment's own units. None: there is none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tolerance is not None and self.tolerance <= 0:
            raise UserError(f"task.tolerance={self.tolerance} must be positive")
        told = [name for name in ("success_key", "success_return", "success") if getattr(self, name) is not None]
        if len(told) > 1:
            raise UserError(f"task.{' and task.'.join(told)} both say when the task is solved; keep one of them")


class GymTask(EnvTask):
    """A Gymnasium environment as a task; observations of numbers, nested or not, become one vector."""

    Config = GymConfig

    def __init__(self, config: GymConfig) -> None:
        env, actions, steps = _make(config.id, config.episode_steps)
        self._known = KNOWN.get(config.id)
        told = config.success_key or config.success_return is not None or config.success
        self._distance = self._known.distance if self._known and not told else None
        self._tolerance = config.tolerance or (self._known.tolerance if self._known else 0.0)
        self._test = None if config.success is None else _function(config.success, "task.success")
        self._chosen = None if config.expert is None else _function(config.expert, "task.expert")
        self._size = spaces.flatdim(env.observation_space)
        self._seen: Any = None
        self._return = 0.0
        self._on_mujoco = isinstance(getattr(env.unwrapped, "model", None), mujoco.MjModel)
        self._replayed = not type(env.unwrapped).__module__.startswith(STOCK)
        super().__init__(config, env, actions, steps)
        self._rehearse()

    def cost(self, state: Tensor) -> Tensor:
        return -state[..., -1] if self._known is None else self._known.cost(state)

    def goal_state(self, state: Tensor) -> Tensor:
        return super().goal_state(state) if self._known is None else self._known.goal_state(state)

    @property
    def has_expert(self) -> bool:
        return self._chosen is not None or self._known is not None

    def expert(self) -> Expert:
        if self._chosen is not None:
            return GivenExpert(self, self._chosen)
        return super().expert() if self._known is None else self._known.expert(self)

    def act(self, choose: Callable[[Any, Any], Any]) -> np.ndarray:
        """What a user's expert chooses now, in [-1, 1]."""
        chosen = np.asarray(choose(self._seen, self._env.unwrapped), float)
        space = self._env.action_space
        if chosen.shape != space.shape or not np.isfinite(chosen).all():
            raise UserError(f"task.expert={self.config.expert} must return an action of shape {space.shape}: {chosen}")
        if np.any(chosen < space.low - 1e-6) or np.any(chosen > space.high + 1e-6):
            raise UserError(
                f"task.expert={self.config.expert} chose {chosen}, outside of the action space of {self.config.id}, "
                f"{space}; clip what it returns, in the environment's own units"
            )
        return ((chosen - self._middle) / self._reach).clip(-1.0, 1.0).astype(np.float32).ravel()

    def render(self, size: int | None = None) -> np.ndarray:  # type: ignore[override]
        """By rays where MuJoCo knows what there is to see, else the environment's own picture."""
        if self._on_mujoco:
            return super().render(size)
        size = self.config.image_size if size is None else size
        try:
            frame = self._env.render()
        except gymnasium.error.DependencyNotInstalled as missing:
            raise UserError(f"task.id={self.config.id} cannot draw itself: {missing}") from missing
        if not isinstance(frame, np.ndarray) or frame.ndim != 3:
            raise UserError(f"task.id={self.config.id} has no render_mode rgb_array; set task.observation=state")
        return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BOX))

    def _prepare(self) -> None:
        if self._on_mujoco:
            super()._prepare()
        if self._replayed:
            self._memory = Replay(self._env, self._again, self._episode_steps, self._env.action_space.shape)

    def _again(self) -> None:
        self._begin(self._seed)

    def _robot(self) -> int:
        return super()._robot() if self._env.unwrapped.model.nu else 1

    def _touches(self) -> bool:
        return self._on_mujoco and super()._touches()

    def _draw(self, seed: int | None) -> tuple[Any, dict[str, Any]]:
        self._return = 0.0
        if isinstance(self._memory, Replay):
            self._memory.begin()
        return self._env.reset(seed=seed)

    def _play(self, command: np.ndarray) -> tuple[Any, ...]:
        if isinstance(self._memory, Replay):
            self._memory.note(command.ravel())
        return super()._play(command)

    def _return_to(self, snapshot: np.ndarray) -> None:
        super()._return_to(snapshot)
        if isinstance(self._memory, Replay):
            self._env = self._memory.env

    def _keep(self) -> np.ndarray:
        return np.array([self._return])

    def _recall(self, kept: np.ndarray) -> None:
        self._return = float(kept[0])

    def _see(self, seen: Any, info: dict[str, Any], reward: float = 0.0) -> None:
        self._seen = seen
        self._return += reward
        state: Any = spaces.flatten(self._env.observation_space, seen)
        if state.shape != (self._size,):
            raise UserError(
                f"task.id={self.config.id} showed {state.size} numbers, and its observation_space declares {self._size}"
            )
        if not np.isfinite(state).all() or not np.isfinite(reward):
            what = "a reward" if np.isfinite(state).all() else "an observation"
            raise UserError(
                f"task.id={self.config.id} returned {what} that is not a finite number, after {self._steps} steps of "
                f"the episode with seed {self._seed}"
            )
        self._state = np.asarray(state if self._known else np.append(state, reward), np.float32)

    def _rest(self) -> None:
        if self._known is None:
            self._state = np.append(self._state[:-1], np.float32(0.0))  # nothing more is paid

    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        raise NotImplementedError  # `_see` does it all

    def _solved(self, info: dict[str, Any]) -> bool:
        if self._distance is not None:
            return self._distance(self._state) < self._tolerance
        if self._test is not None:
            return bool(self._test(self._seen, info))
        if self.config.success_return is not None:
            return self._steps > 0 and self._return >= self.config.success_return
        return bool(info.get(self.config.success_key, False))

    def _rehearse(self) -> None:
        """Refuse, before any work, an environment that does not keep its promises."""
        name, nothing = self.config.id, np.zeros(self.action_space.shape or ())
        firsts: list[np.ndarray] = []
        for _ in range(2):
            self.reset(seed=0)
            began = self._state
            result = self.step(nothing)
            firsts.append(np.concatenate([began, self._state]))
            if result[2]:
                raise UserError(f"task.id={name} ends in its first step; nothing can be planned or learnt there")
        if not np.array_equal(firsts[0], firsts[1]):
            raise UserError(
                f"task.id={name} does not repeat itself: after reset(seed=0) it showed different numbers the second "
                "time; draw all that is random from self.np_random"
            )
        self.reset(seed=0)
        *_, info = self._play(np.broadcast_to(self._middle, self.action_space.shape or ()))
        key = self.config.success_key
        if key is not None and key not in info:
            raise UserError(
                f"task.success_key={key} is not in the info of {name}; found: {', '.join(info) or 'nothing'}"
            )
        self.reset(seed=0)

    def _facts(self) -> Facts:
        config, known = self.config, self._known
        variables = known.variables if known else _variables(self._env.observation_space)
        scaled = (replace(v, tolerance=self._tolerance) if v.tolerance is not None else v for v in variables)
        steps = getattr(self._env.unwrapped, "dt", None) or 1.0 / self._env.metadata.get("render_fps", 30)
        return Facts(
            name=f"gym/{config.id}",
            library=f"gymnasium {gymnasium.__version__}",
            control_hz=1.0 / steps,
            tags=known.tags if known else (),
            instruction=known.instruction if known else f"Solve {config.id}.",
            success_test=self._success_test(),
            variables=tuple(scaled),
            settings={"tolerance": self._tolerance} if known else {},
        )

    def _success_test(self) -> str:
        config = self.config
        if self._distance is not None and self._known is not None:
            return f"{self._known.measure}<{self._tolerance:g}@1"
        if config.success is not None:
            return f"{config.success}@1"
        if config.success_return is not None:
            return f"return>={config.success_return:g}@1"
        return "" if config.success_key is None else f"info[{config.success_key!r}]@1"


class GivenExpert(Expert):
    """A function of the user's own."""

    def __init__(self, task: GymTask, choose: Callable[[Any, Any], Any]) -> None:
        self._task, self._choose = task, choose

    def act(self) -> np.ndarray:
        return self._task.act(self._choose)


def _make(name: str, episode_steps: int | None) -> tuple[Any, spaces.Box, int]:
    """The environment with its own wrappers, its actions and its episode length; UserError says why it cannot be."""
    module, _, bare = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except ImportError as missing:
            raise UserError(f"task.id={name}: the module {module} cannot be imported ({missing})") from missing
    if bare not in gymnasium.registry:
        raise unknown("task.id", bare, gymnasium.registry)
    try:
        # The episode's length is the task's affair, so no time limit stands in the way of planning beyond it.
        env: Any = gymnasium.make(bare, disable_env_checker=True, max_episode_steps=-1)
        if "rgb_array" in env.metadata.get("render_modes", ()) and env.render_mode is None:
            env = gymnasium.make(bare, disable_env_checker=True, max_episode_steps=-1, render_mode="rgb_array")
    except gymnasium.error.DependencyNotInstalled as missing:
        raise UserError(f"task.id={name} lacks a package: {missing}") from missing
    except ImportError as missing:
        raise UserError(f"task.id={name} lacks a package: {missing}; pip install 'gymnasium[mujoco]'") from missing
    box = env.action_space
    if not isinstance(box, spaces.Box) or not np.isfinite([box.low, box.high]).all():
        raise UserError(
            f"task.id={name} takes {box}, but planners here need bounded continuous actions (a finite Box); wrap the "
            "environment, for instance in gymnasium.wrappers.RescaleAction"
        )
    for key, space in _leaves(env.observation_space):
        if not isinstance(space, spaces.Box):
            raise UserError(f"task.id={name} shows {space} as {key}; observations must be numbers: Box, Dict or Tuple")
        if len(space.shape) == 3:
            raise UserError(
                f"task.id={name} shows pictures {space.shape} as {key}; let it observe numbers, and set "
                "task.observation=pixels to see the picture that it renders"
            )
    steps = episode_steps or gymnasium.spec(bare).max_episode_steps
    if steps is None:
        raise UserError(f"task.id={name} names no episode length; set task.episode_steps")
    return env, box, steps


def _leaves(space: spaces.Space, name: str = "observation") -> list[tuple[str, spaces.Space]]:
    """The plain spaces of a nested one, in the order in which they are flattened."""
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in _leaves(inner, str(key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for i, inner in enumerate(space.spaces) for leaf in _leaves(inner, f"{name}{i}")]
    return [(name, space)]


def _variables(space: spaces.Space) -> tuple[Variable, ...]:
    found, start = [], 0
    for key, leaf in _leaves(space):
        size = spaces.flatdim(leaf)
        found.append(Variable(key, start, start + size, "as the environment has it"))
        start += size
    return (*found, Variable("reward", start, start + 1, "of arriving here"))


def _function(path: str, name: str) -> Callable[..., Any]:
    """What `module:function` names."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"{name}={path} cannot be imported ({error}); write module:function, with the module's file in the folder "
            "given to --config-dir or installed"
        ) from error
