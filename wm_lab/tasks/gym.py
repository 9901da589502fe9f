"""`task=gym/...`: any Gymnasium environment on MuJoCo with continuous actions, behind the contract of a task.

The adapter knows no environment by name. What Gymnasium does not say of one (when it has succeeded, how far it still
is, who can solve it) stands in `KNOWN`; an environment without an entry there needs `success_key`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from wm_lab.errors import UserError, unknown
from wm_lab.tasks import gym_reacher
from wm_lab.tasks.raycast import RayCamera
from wm_lab.tasks.task import Expert, PlanningHints, Task, TaskCard, Variable, dials

STATE = mujoco.mjtState.mjSTATE_INTEGRATION


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
class GymConfig:
    """Which environment, and its dials. None keeps the environment's own value."""

    id: str = "Reacher-v5"
    observation: str = "state"
    """state or pixels."""
    tolerance: float | None = None
    """Of success, in the unit of the success test: metres for Reacher."""
    success_key: str | None = None
    """Key of Gymnasium's `info` that says success, for environments that the lab knows nothing of."""
    episode_steps: int | None = None
    image_size: int = 64
    effort: float = 1.0
    """How much more data and training than a short reach this task deserves."""
    planning: PlanningHints = field(default_factory=PlanningHints)

    def __post_init__(self) -> None:
        if self.observation not in ("state", "pixels"):
            raise unknown("task.observation", self.observation, ("state", "pixels"))
        if self.tolerance is not None and self.tolerance <= 0:
            raise UserError(f"task.tolerance={self.tolerance} must be positive")
        if self.episode_steps is not None and self.episode_steps < 1:
            raise UserError(f"task.episode_steps={self.episode_steps} must be at least 1")
        if not 8 <= self.image_size <= 1024:
            raise UserError(f"task.image_size={self.image_size} must lie in [8, 1024] pixels")
        if self.effort <= 0:
            raise UserError(f"task.effort={self.effort} must be positive")


class GymTask(Task):
    """A Gymnasium environment as a task. Only for environments whose whole state is MuJoCo's."""

    Config = GymConfig
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode = "rgb_array"

    def __init__(self, config: GymConfig) -> None:
        self.config = config
        self._env, self._episode_steps = _make(config.id, config.episode_steps)
        self._known = KNOWN.get(config.id)
        if self._known is None and config.success_key is None:
            raise UserError(
                f"nothing says when task.id={config.id} has succeeded; set task.success_key to a key of its info, "
                f"or take one that is known: {', '.join(KNOWN)}"
            )
        self._tolerance = config.tolerance or (self._known.tolerance if self._known else 0.0)
        box = self._env.action_space
        self._middle, self._reach = (box.high + box.low) / 2, (box.high - box.low) / 2
        self._actions = int(box.low.size)
        self._camera: RayCamera | None = None
        self._steps = 0
        self._state = np.zeros(0, np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, box.shape, np.float32)
        self.reset(seed=0)
        self.card = self._describe()
        self.observation_space = spaces.Dict({config.observation: _space(self._observe()[config.observation])})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        # The environment draws from its own generator, so a start that is solved already is drawn anew without a seed.
        seen, info = self._env.reset(seed=seed, options=options)
        self._see(seen)
        while self._is_solved(info):
            seen, info = self._env.reset(options=options)
            self._see(seen)
        self._steps = 0
        return self._observe(), {"success": False, "contact": False}

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if not np.isfinite(action).all():
            raise UserError(f"{self.config.id} was given an action that is not a number: {action}")
        seen, reward, terminated, _, info = self._env.step(self._middle + self._reach * np.clip(action, -1.0, 1.0))
        self._see(seen)
        self._steps += 1
        if self._known is not None:
            reward = -float(self._known.cost(torch.from_numpy(self._state)))
        result = {"success": self._is_solved(info), "contact": self._env.data.ncon > 0}
        return self._observe(), float(reward), bool(terminated), self._steps >= self._episode_steps, result

    def state(self) -> np.ndarray:
        return self._state

    def cost(self, state: Tensor) -> Tensor:
        return self._knowledge("dense cost").cost(state)

    def goal_state(self, state: Tensor) -> Tensor:
        return self._knowledge("goal state").goal_state(state)

    def expert(self) -> Expert:
        return self._knowledge("expert").expert(self)

    def snapshot(self) -> np.ndarray:
        """MuJoCo's state, the observation (which Gymnasium derives a substep late), and the steps played."""
        size = self._physics_size
        snapshot = np.empty(size + len(self._state) + 1)
        mujoco.mj_getState(self._env.model, self._env.data, snapshot[:size], STATE)
        snapshot[size:-1] = self._state
        snapshot[-1] = self._steps
        return snapshot

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        size = self._physics_size
        if snapshot.shape != (size + len(self._state) + 1,):
            raise UserError(
                f"{self.config.id} has snapshots of {size + len(self._state) + 1} numbers; found {snapshot.shape}"
            )
        model, data = self._env.model, self._env.data
        mujoco.mj_setState(model, data, snapshot[:size], STATE)
        mujoco.mj_forward(model, data)
        mujoco.mj_setState(model, data, snapshot[:size], STATE)  # `mj_forward` overwrites the solver's warm start
        self._state = snapshot[size:-1].astype(np.float32)
        self._steps = int(snapshot[-1])
        return self._observe()

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return snapshots[:, self._physics_size : -1].astype(np.float32)

    def render(self, size: int | None = None) -> np.ndarray:  # type: ignore[override]
        """An RGB image [size, size, 3] uint8 from the model's free viewpoint."""
        size = self.config.image_size if size is None else size
        if self._camera is None or self._camera.size != (size, size):
            self._camera = RayCamera(self._env.model, size, size)
        return self._camera.render(self._env.data)

    @property
    def _physics_size(self) -> int:
        return mujoco.mj_stateSize(self._env.model, STATE)

    def _see(self, seen: Any) -> None:
        self._state = np.asarray(spaces.flatten(self._env.observation_space, seen), np.float32)

    def _observe(self) -> dict[str, np.ndarray]:
        return {"pixels": self.render()} if self.config.observation == "pixels" else {"state": self._state}

    def _is_solved(self, info: dict[str, Any]) -> bool:
        if self.config.success_key is not None:
            return bool(info.get(self.config.success_key, False))
        return self._knowledge("success test").distance(self._state) < self._tolerance

    def _knowledge(self, wanted: str) -> Known:
        if self._known is None:
            raise UserError(f"task.id={self.config.id} has no {wanted}; known environments: {', '.join(KNOWN)}")
        return self._known

    def _describe(self) -> TaskCard:
        config, known, env = self.config, self._known, self._env
        size = len(self._state)
        measure = known.measure if known else ""
        test = f"info[{config.success_key!r}]@1" if config.success_key else f"{measure}<{self._tolerance:g}@1"
        variables = known.variables if known else (Variable("observation", 0, size, "as the environment has it"),)
        return TaskCard(
            name=f"gym/{config.id}",
            observation={key: value.shape for key, value in self._observe().items()},
            action_size=self._actions,
            episode_steps=self._episode_steps,
            control_hz=1.0 / env.dt,
            tags=known.tags if known else (),
            instruction=known.instruction if known else f"Solve {config.id}.",
            success_test=test,
            physics=f"mujoco {mujoco.__version__}, gymnasium {gymnasium.__version__}",
            variables=tuple(
                replace(piece, tolerance=self._tolerance) if piece.tolerance is not None else piece
                for piece in variables
            ),
            settings=dials(config) | {"tolerance": self._tolerance, "episode_steps": self._episode_steps},
        )


def _make(name: str, episode_steps: int | None) -> tuple[Any, int]:
    """The bare environment and its episode length; says in one sentence why an environment cannot be a task."""
    if name not in gymnasium.registry:
        raise unknown("task.id", name, gymnasium.registry)
    try:
        env = gymnasium.make(name, disable_env_checker=True)
    except ImportError as missing:
        raise UserError(
            f"task.id={name} needs the package {missing.name!r}, which is missing; pip install 'gymnasium[mujoco]'"
        ) from missing
    steps = episode_steps or (env.spec.max_episode_steps if env.spec else None)
    bare = env.unwrapped
    box = bare.action_space
    if not isinstance(box, spaces.Box) or not np.isfinite([box.low, box.high]).all():
        raise UserError(f"task.id={name} takes {box}, but planners here need bounded continuous actions (a finite Box)")
    if not isinstance(getattr(bare, "model", None), mujoco.MjModel):
        raise UserError(f"task.id={name} does not run on MuJoCo, so it cannot be put back in time exactly")
    if steps is None:
        raise UserError(f"task.id={name} names no episode length; set task.episode_steps")
    return bare, steps


def _space(value: np.ndarray) -> spaces.Box:
    if value.dtype == np.uint8:
        return spaces.Box(0, 255, value.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, value.shape, np.float32)
