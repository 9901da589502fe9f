"""`task=dmc/...`: the DeepMind Control suite (Tassa et al. 2018), whose published curves are over environment steps.

An environment step is one control step of the suite; the lab's step is `action_repeat` of them under one action, which
pays the sum of their rewards, each in [0, 1]. So the sum over an episode of 1,000 environment steps is the return of
published tables, whatever the repeat. No state tells the reward, and nobody shows how it is done.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from torch import Tensor

from wm_lab.domains import Steps
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.env_task import EnvTask, Facts, pieces
from wm_lab.tasks.extras import need
from wm_lab.tasks.mujoco_memory import Memory
from wm_lab.tasks.task import UNTOLD

GL = "MUJOCO_GL"
JOINTS, TURNS = "position", "turns"  # of an observation
EPISODE = 1000  # environment steps of nearly all tasks; those that have no end get as many


@dataclass
class DmcConfig(EnvConfig):
    name: str = "cartpole_swingup"
    """Domain and task of the suite, such as cartpole_swingup, ball_in_cup_catch or humanoid_walk."""
    action_repeat: Steps = 2
    """Environment steps under one action: 2 in DreamerV3 and TD-MPC2, 2 to 8 in PlaNet."""


class DmcTask(EnvTask):
    """State: the suite's observations one after another, as it lists them; last, sines and cosines of what turns round.

    Where the suite shows all joints as they are (the reachers), the angle of one without a limit grows with every turn,
    and what was learned at 3 rad says nothing at 9.
    """

    Config = DmcConfig

    def __init__(self, config: DmcConfig) -> None:
        logging.getLogger("absl").setLevel(logging.WARNING)  # it reports which screens it found
        with _without_gl():
            suite = need("dm_control.suite", f"task.name={config.name}", extra="dmc")
        known = {"_".join(pair): pair for pair in suite.ALL_TASKS}
        if config.name not in known:
            raise unknown("task.name", config.name, known)
        try:
            domain, task = known[config.name]
            env = SuiteEnv(suite, domain, task, config.action_repeat)
        except Exception as error:  # of theirs: some tasks need a screen, or an older NumPy
            raise UserError(
                f"task.name={config.name} does not run with what is installed ({type(error).__name__}: {error}); "
                "choose another task of the suite"
            ) from error
        if np.abs([env.action_space.low, env.action_space.high]).max() >= mujoco.mjMAXVAL:
            raise UserError(
                f"task.name={config.name} takes actions without bounds, and planners here need bounded ones; choose "
                "another task of the suite"
            )
        self.camera = env.model.cam(0).name or None if env.model.ncam else None
        super().__init__(config, env, env.action_space, -(-env.steps // config.action_repeat))

    @property
    def judges_states(self) -> bool:
        return False

    def cost(self, state: Tensor) -> Tensor:
        raise LookupError(f"{self.task_spec.name} alone knows its rewards; nobody can tell them from a state")

    @property
    def has_expert(self) -> bool:
        return False

    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in seen.values()])

    def _solved(self, info: dict[str, Any]) -> bool:
        return False

    def _keep(self) -> np.ndarray:
        return np.array([self._paid])

    def _recall(self, kept: np.ndarray) -> None:
        self._paid = float(kept[0])

    def _prepare(self) -> None:
        super()._prepare()
        self._memory = SuiteMemory(self._env.model, self._env.data)

    def _facts(self) -> Facts:
        words = self.config.name.replace("_", " ")
        return Facts(
            name=f"dmc/{self.config.name}",
            library=f"dm_control {version('dm_control')}",
            control_hz=1.0 / (self._env.seconds * self.config.action_repeat),
            tags=(),
            instruction=INSTRUCTIONS.get(self.config.name, f"Do what is called {words}."),
            success_test="",
            variables=pieces(*((name, np.size(part), UNTOLD) for name, part in self._env.see().items())),
        )


class SuiteEnv:
    """A task of the suite behind Gymnasium's two methods, without a time limit."""

    def __init__(self, suite: Any, domain: str, task: str, repeat: int) -> None:
        limited = suite.load(domain, task)  # its clock, which would end episodes, is left aside
        limited.reset()
        self._task, self._physics, self._repeat = limited.task, limited.physics, repeat
        self.unwrapped = self
        self.model: mujoco.MjModel = self._physics.model.ptr
        self.data: mujoco.MjData = self._physics.data.ptr
        self.seconds = float(limited.control_timestep())  # of an environment step
        self._substeps = round(self.seconds / self._physics.timestep())
        limit = limited._step_limit
        self.steps = round(limit) if math.isfinite(limit) else EPISODE
        hinge = self.model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE
        self._turning = self.model.jnt_qposadr[hinge & (self.model.jnt_limited == 0)]
        box = self._task.action_spec(self._physics)
        self.action_space = spaces.Box(
            np.broadcast_to(box.minimum, box.shape), np.broadcast_to(box.maximum, box.shape), box.shape, np.float64
        )

    def reset(self, seed: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        if seed is not None:
            self._task.random.seed(seed)
        with self._physics.reset_context():
            self._task.initialize_episode(self._physics)
        return self.see(), {}

    def step(self, action: np.ndarray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        paid, ended = 0.0, False
        for _ in range(self._repeat):
            self._task.before_step(action, self._physics)
            self._physics.step(self._substeps)
            self._task.after_step(self._physics)
            paid += float(self._task.get_reward(self._physics))
            ended = self._task.get_termination(self._physics) is not None
            if ended:
                break
        return self.see(), paid, ended, False, {}

    def see(self) -> dict[str, Any]:
        """What the suite shows, with the joints that turn without end by their sines and cosines."""
        seen: dict[str, Any] = self._task.get_observation(self._physics)
        if len(self._turning) and np.array_equal(seen.get(JOINTS, ()), self.data.qpos):
            joints = seen[JOINTS]
            seen[JOINTS] = np.delete(joints, self._turning)
            seen[TURNS] = np.concatenate([turn(joints[self._turning]) for turn in (np.sin, np.cos)])
        return seen


class SuiteMemory(Memory):
    """The suite steps from what follows of positions and velocities, and reads its observations there."""

    def load(self, saved: np.ndarray) -> None:
        super().load(saved)
        mujoco.mj_step1(self._model, self._data)


@contextmanager
def _without_gl() -> Iterator[None]:
    """Inside, dm_control looks for no screen; a choice of the user's own, by MUJOCO_GL, stands."""
    if GL in os.environ:
        yield
        return
    os.environ[GL] = "disable"
    try:
        yield
    finally:
        del os.environ[GL]


INSTRUCTIONS = {
    "cartpole_swingup": "Swing the pole up and balance it, with the cart in the middle.",
    "reacher_easy": "Bring the tip of the arm into the red ball and stay there.",
    "cheetah_run": "Run forward, up to 10 m/s.",
    "finger_spin": "Keep the body spinning.",
    "walker_walk": "Walk forward at 1 m/s, upright.",
    "ball_in_cup_catch": "Swing the ball into the cup.",
}
