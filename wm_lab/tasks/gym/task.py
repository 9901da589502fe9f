"""`task=gym task.id=MyEnv-v0`: any Gymnasium environment with bounded continuous actions, as a task.

The adapter knows no environment by name. What the lab has been told of one (when it has succeeded, how far it still is,
who can solve it) stands in `KNOWN`; of others, the options `success_key`, `success_return`, `success` and `expert` say
it. Without them an environment has its reward alone, which only playing tells, and tables show its returns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image
from torch import Tensor

from wm_lab.domains import Domain, Positive
from wm_lab.errors import UserError
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import Facts
from wm_lab.tasks.gym import reacher
from wm_lab.tasks.gym.environment import control_hz_of, function_at, open_environment, truth, variables_of
from wm_lab.tasks.gym.way_back import GymnasiumTask
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import Expert, Variable


@dataclass(frozen=True)
class KnownEnvironment:
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
    "Reacher-v5": KnownEnvironment(
        distance=reacher.distance,
        measure="fingertip-to-target",
        tolerance=reacher.TOLERANCE,
        cost=reacher.cost,
        goal_state=reacher.goal_state,
        expert=reacher.ReacherExpert,
        variables=reacher.VARIABLES,
        tags=("reach",),
        instruction="Move the tip of the arm to the target.",
    )
}


@dataclass
class GymConfig(EnvConfig):
    id: str = "Reacher-v5"
    """Of a registered environment; `my_module:MyEnv-v0` imports the module that registers it."""
    tolerance: Positive | None = None
    """Of success where the lab knows the environment, in the unit of its success test: metres for Reacher."""
    success_key: str | None = None
    """Key of `info` that says success."""
    success_return: Annotated[float, Domain()] | None = None
    """Sum of rewards, from the episode's start on, from which it counts as solved."""
    success: str | None = None
    """`my_module:function` of (observation, info), as the environment returned them: whether it is solved now."""
    expert: str | None = None
    """`my_module:function` of (observation, env): the action, in the environment's own units. None: there is none."""
    stochastic: bool = False
    """Accept an environment that does not repeat itself. Then nobody can go back in time there: see docs/tasks.md."""
    control_hz: Positive | None = None
    """Control steps a second. None: as MuJoCo's clock tells, and of others nothing is said in seconds."""
    make: dict[str, Any] = field(default_factory=dict)
    """Arguments of `gymnasium.make` beside the id, such as {reward_type: dense}."""

    def __post_init__(self) -> None:
        super().__post_init__()
        told = [name for name in ("success_key", "success_return", "success") if getattr(self, name) is not None]
        if len(told) > 1:
            raise UserError(f"task.{' and task.'.join(told)} both say when the task is solved; keep one of them")


class GymTask(GymnasiumTask):
    """A Gymnasium environment as a task; observations of numbers, nested or not, become one vector."""

    Config = GymConfig

    def __init__(self, config: GymConfig) -> None:
        self._known = KNOWN.get(config.id)
        told = config.success_key or config.success_return is not None or config.success
        self._distance = self._known.distance if self._known and not told else None
        self._tolerance = config.tolerance or (self._known.tolerance if self._known else 0.0)
        self._test = None if config.success is None else function_at(config.success, "task.success")
        self._chosen = None if config.expert is None else function_at(config.expert, "task.expert")
        super().__init__(config, partial(open_environment, config.id, config.episode_steps, config.make))
        self._dry_run()

    def cost(self, state: Tensor) -> Tensor:
        if self._known is None:
            raise LookupError(f"{self.task_spec.name} alone knows its rewards; nobody can tell them from a state")
        return self._known.cost(state)

    @property
    def judges_states(self) -> bool:
        """Where the lab knows the environment, or a subclass brings a cost of its own."""
        return self._known is not None or type(self).cost is not GymTask.cost

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
        chosen, space = np.asarray(choose(self._seen, self._env.unwrapped)), self._env.action_space
        if chosen.dtype.kind not in "fiub":
            raise UserError(f"task.expert={self.config.expert} must return an action of {space}, not {chosen!r}")
        chosen = chosen.astype(float)
        if chosen.shape != space.shape or not np.isfinite(chosen).all():
            raise UserError(f"task.expert={self.config.expert} must return an action of shape {space.shape}: {chosen}")
        if np.any(chosen < space.low - 1e-6) or np.any(chosen > space.high + 1e-6):
            raise UserError(
                f"task.expert={self.config.expert} chose {chosen}, outside of the action space of {self.config.id}, "
                f"{space}; clip what it returns, in the environment's own units"
            )
        return self._scale.back(chosen)

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        """By rays where MuJoCo knows what there is to see, else the environment's own picture with nothing over it."""
        return super().render(size, camera, overlay) if self._on_mujoco else self._own_picture(size)

    def _pixels(self) -> np.ndarray:
        size = self.config.image_size
        return super()._pixels() if self._on_mujoco else self._own_picture((size, size))

    def _own_picture(self, size: tuple[int, int]) -> np.ndarray:
        return np.asarray(Image.fromarray(self._env.render()).resize(size, Image.Resampling.BOX))

    def _keep(self) -> np.ndarray:
        return np.concatenate([[self._paid, self._return], self._numbers])

    def _recall(self, kept: np.ndarray) -> None:
        self._paid, self._return = kept[:2].tolist()
        self._numbers = kept[2:].copy()
        self._seen = spaces.unflatten(self._env.observation_space, self._numbers)

    def _see(self, seen: Any, info: dict[str, Any], reward: float = 0.0) -> None:
        self._seen = seen
        self._return += reward
        super()._see(seen, info, reward)

    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        self._numbers = np.asarray(spaces.flatten(self._env.observation_space, seen), float)
        return self._numbers

    def solved(self, states: np.ndarray) -> np.ndarray:
        if self._distance is None:
            return super().solved(states)
        far = np.array([self._distance(state) for state in states.reshape(-1, states.shape[-1])])
        return (far < self._tolerance).reshape(states.shape[:-1])

    def _solved(self, info: dict[str, Any]) -> bool:
        if self._distance is not None:
            return self._distance(self._state) < self._tolerance
        if self._test is not None:
            return truth(self._test(self._seen, info), f"task.success={self.config.success} returned")
        if self.config.success_return is not None:
            return self._steps > 0 and self._return >= self.config.success_return
        key = self.config.success_key
        return truth(info.get(key, False), f"task.success_key={key}: the info of {self.config.id} holds")

    def _starts_solved(self, info: dict[str, Any]) -> bool:
        return self._solved(info)

    def _dry_run(self) -> None:
        """Refuse, before any work, an environment that does not keep its promises."""
        name, nothing = self.config.id, np.zeros(self.action_space.shape or ())
        self.begin(seed=0)
        *_, info = self._play(self._scale(nothing))
        key = self.config.success_key
        if key is not None and key not in info:
            raise UserError(
                f"task.success_key={key} is not in the info of {name}; found: {', '.join(info) or 'nothing'}"
            )
        self.begin(seed=0)
        self.play(nothing)
        if self._terminated:
            raise UserError(f"task.id={name} ends in its first step; nothing can be planned or learnt there")
        self._choose_the_way_back()
        self.reset(seed=0)

    def _facts(self) -> Facts:
        config, known = self.config, self._known
        variables = known.variables if known else variables_of(self._env.observation_space)
        scaled = (replace(v, tolerance=self._tolerance) if v.tolerance is not None else v for v in variables)
        return Facts(
            name=f"gym/{config.id}",
            library=f"gymnasium {gymnasium.__version__}",
            control_hz=config.control_hz or control_hz_of(self._env, self._scale(np.zeros(self._scale.size))),
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
