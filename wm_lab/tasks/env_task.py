"""What all tasks made of another library's environment have in common.

A subclass makes the environment and adds what its library does not say: the meaning of the numbers, when the task is
solved, a dense cost and an expert.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium import spaces

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.action_scale import ActionScale
from wm_lab.tasks.env_config import EnvConfig
from wm_lab.tasks.lit_camera import LitCamera
from wm_lab.tasks.mechanics import Mechanics
from wm_lab.tasks.mujoco_memory import Memory, Touch
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Line, Overlay
from wm_lab.tasks.raycast import GOAL, Marker, RayCamera, View
from wm_lab.tasks.renderer import people_camera
from wm_lab.tasks.task import SimulatedFutures, Task, TaskSpec, Variable, defining_options
from wm_lab.tasks.variation import TRAIN, Factors

REDRAWS = 100  # starts in a row that may be solved already, before something must be wrong
TRANSLUCENT = 0.6  # opacity of goals in pictures for people
GHOST = (0.2, 0.95, 1.0)  # RGB of dots where a ghost's things are
HEAD = 4  # numbers that lead a snapshot: seed of the start, steps played, whether it was terminated, or cut short
PAID = 0  # place among the numbers of `_keep` of the reward that was paid, where only playing tells it


class EnvTask(Task):
    """A library's environment on MuJoCo as a task; what it keeps outside of MuJoCo is drawn by the seed of a start.

    So a snapshot needs no more than that seed, MuJoCo's state and the few numbers of `_keep`: restoring one of another
    episode begins that episode anew, which brings back its goal and its scene, and then puts the simulation in place.
    A task whose rewards no state tells (`judges_states` is false) keeps the last one in `_paid`, at `PAID` of `_keep`.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - the form Gymnasium asks for
    render_mode: str | None = "rgb_array"

    camera: str | View | None = None
    """Of pictures; None: the model's free viewpoint."""
    fields: Sequence[str] = ()
    """See `Memory`."""

    def __init__(self, config: EnvConfig, env: Any, actions: spaces.Box, episode_steps: int) -> None:
        """env: the bare environment, `env.unwrapped`; episode_steps: its own, unless the config asks for another."""
        self.config: Any = config
        self._env = env
        self._episode_steps = config.episode_steps or episode_steps
        self._scale = ActionScale(actions)
        self.action_space = spaces.Box(-1.0, 1.0, (self._scale.size,), np.float32)
        self._camera: RayCamera | None = None
        self._for_people: LitCamera | None = None
        self._factors = TRAIN
        self._seed = -1
        self._steps = 0
        self._terminated = self._truncated = False
        self._paid = 0.0
        self._state = np.zeros(0, np.float32)
        self._prepare()
        self.reset(seed=0)
        self.task_spec = self._describe()
        self.observation_space = spaces.Dict({config.observation: _space(self._observe()[config.observation])})

    # What a subclass says

    @abstractmethod
    def _read(self, seen: Any, info: dict[str, Any]) -> np.ndarray:
        """The state [D] of what the environment returned."""

    @abstractmethod
    def _solved(self, info: dict[str, Any]) -> bool:
        """Whether the task is solved now; `info` is the step's, and empty after a reset."""

    def _starts_solved(self, info: dict[str, Any]) -> bool:
        """Whether the task is solved before the first step; `info` is what the reset told."""
        return self._solved({})

    @abstractmethod
    def _facts(self) -> Facts:
        """What the specification says of this task."""

    def _draw(self, seed: int | None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment to the start that `seed` draws (None: to the next one): what is seen, and `info`."""
        begun: tuple[Any, dict[str, Any]] = self._env.reset(seed=seed)
        return begun

    def _keep(self) -> np.ndarray:
        """Numbers that the environment carries from step to step outside of MuJoCo's state."""
        return np.zeros(0)

    def _recall(self, kept: np.ndarray) -> None:
        """Give back what `_keep` returned."""

    def _markers(self) -> list[Marker]:
        """Balls to draw into pictures: goals that the library shows by sites, which no ray can hit."""
        return []

    # What all have in common

    def _goal_ball(self, radius: float) -> Marker:
        """The goal of a task whose state ends in one."""
        return Marker(tuple(self._state[-3:].tolist()), radius)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        redrawn = self._begin(int(self.np_random.integers(2**31)) if seed is None else seed)
        return self._observe(), {"success": False, "contact": False, "redrawn": redrawn}

    def command(self, action: np.ndarray) -> np.ndarray:
        """What the environment itself is handed."""
        return self._scale(action)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """An episode that has ended stays as it is: futures of equal length may go on beyond its end."""
        if not np.isfinite(action).all():
            raise UserError(f"{self.task_spec.name} was given an action that is not a number: {action}")
        result = {"success": self._advance(action), "contact": self._touches()}
        cut = self._truncated or self._steps >= self._episode_steps
        return self._observe(), self._reward(), self._terminated, cut, result

    def state(self) -> np.ndarray:
        return self._state

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        self._factors = factors
        self._mechanics.take_on(factors)
        return self._observe()

    @cached_property
    def _mechanics(self) -> Mechanics:
        return Mechanics(self._env.unwrapped.model, self._robot())

    def snapshot(self) -> np.ndarray:
        head = (self._seed, self._steps, self._terminated, self._truncated)
        return np.concatenate([head, self._state, self._keep(), self._memory.save()])

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        self._return_to(snapshot)
        return self._observe()

    def _advance(self, action: np.ndarray) -> bool:
        """One control step; returns success."""
        info: dict[str, Any] = {}
        if self._terminated or self._truncated:
            self._rest()
        else:
            seen, reward, terminated, truncated, info = self._play(self._scale(action))
            self._terminated, self._truncated = bool(terminated), bool(truncated)
            self._see(seen, info, float(reward))
        self._steps += 1
        return self._solved(info)

    def _rest(self) -> None:
        """A step after the end of the episode: nothing changes, and nothing is paid."""
        self._paid = 0.0

    def _play(self, command: np.ndarray) -> tuple[Any, ...]:
        step: tuple[Any, ...] = self._env.step(command)
        return step

    def _return_to(self, snapshot: np.ndarray) -> None:
        size = HEAD + len(self._state) + len(self._keep()) + self._memory.size
        if snapshot.shape != (size,):
            raise UserError(f"{self.task_spec.name} has snapshots of {size} numbers; found shape {snapshot.shape}")
        self._put_back(int(snapshot[0]), snapshot)
        self._steps = int(snapshot[1])
        self._terminated, self._truncated = bool(snapshot[2]), bool(snapshot[3])
        self._state = snapshot[HEAD : HEAD + len(self._state)].astype(np.float32)
        self._recall(snapshot[HEAD + len(self._state) : -self._memory.size])

    def _put_back(self, seed: int, snapshot: np.ndarray) -> None:
        """Bring the environment to where the episode of this seed was."""
        if seed != self._seed:
            self._begin(seed)
        self._memory.load(snapshot[-self._memory.size :])

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return snapshots[:, HEAD : HEAD + len(self._state)].astype(np.float32)

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """One step after another, on one thread: these environments' controllers run in Python between the steps."""
        states = np.empty((*actions.shape[:3], len(self._state)), np.float32)
        success = np.zeros(actions.shape[:3], bool)
        for at, solved in self._played_out(snapshots, actions):
            states[at], success[at] = self._state, solved
        return states, success

    def _played_out(self, snapshots: np.ndarray, actions: np.ndarray) -> Iterator[tuple[tuple[int, int, int], bool]]:
        """Play every future, stopping after each of its steps (b, n, t) to be looked at, with its success."""
        batch, count, horizon = actions.shape[:3]
        with self._aside():
            for b, n in np.ndindex(batch, count):
                self._return_to(snapshots[b])
                for t in range(horizon):
                    yield (b, n, t), self._advance(actions[b, n, t])

    def rewards(self, snapshots: np.ndarray) -> np.ndarray:
        if self.judges_states:
            return super().rewards(snapshots)
        return snapshots[:, HEAD + len(self._state) + PAID].astype(np.float32)

    def futures(self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1) -> SimulatedFutures:
        if self.judges_states:
            return super().futures(snapshots, actions, threads)
        states = np.empty((*actions.shape[:3], len(self._state)), np.float32)
        success, rewards = np.zeros(actions.shape[:3], bool), np.zeros(actions.shape[:3], np.float32)
        for at, solved in self._played_out(snapshots, actions):
            states[at], success[at], rewards[at] = self._state, solved, self._paid
        return SimulatedFutures(states, success, rewards)

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        after = np.empty_like(snapshots)
        with self._aside():
            for row, (snapshot, action) in enumerate(zip(snapshots, actions, strict=True)):
                self._return_to(snapshot)
                self._advance(action)
                after[row] = self.snapshot()
        return after

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Inside, futures are played; outside again, the running episode is where it was."""
        here = self.snapshot()
        yield
        self._return_to(here)

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        model, chosen = self._env.unwrapped.model, self.camera if camera is None else camera
        shown = self._for_people = people_camera(self._for_people, self.renderer, model, size, chosen)
        shown.factors = self._factors
        markers = [m._replace(opacity=TRANSLUCENT) if m.color == GOAL else m for m in self._markers()]
        # How the whole robot would stand, a state of this task does not say; where its things would be, it does.
        places = {} if overlay.ghost is None else self.points(np.asarray(overlay.ghost, float))
        ghosts = [Line(place[None], GHOST) for place in places.values()]
        return shown.picture(self._env.unwrapped.data, markers, lines=[*overlay.lines, *ghosts])

    def _pixels(self) -> np.ndarray:
        """The observation: smaller, in a light of its own, and quickly made."""
        size = self.config.image_size
        if self._camera is None:
            self._camera = RayCamera(self._env.unwrapped.model, size, size, self.camera)
        self._camera.factors = self._factors
        return self._camera.render(self._env.unwrapped.data, self._markers())

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        if self._for_people is None:  # nothing was rendered yet, or the environment draws itself
            return super().in_picture(points)
        return self._for_people.project(points)

    def _prepare(self) -> None:
        """Ready what reads the simulation."""
        model = self._env.unwrapped.model
        self._memory: Any = Memory(model, self._env.unwrapped.data, self.fields)
        self._touch = Touch(model, self._robot())

    def _robot(self) -> int:
        """A body that the first motor at a joint moves, or else the first joint: some robots have tendons alone."""
        model = self._env.unwrapped.model
        at_joints = np.flatnonzero(model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT)
        joint = model.actuator_trnid[at_joints[0], 0] if len(at_joints) else 0
        return int(model.jnt_bodyid[joint]) if model.njnt else 0

    def _touches(self) -> bool:
        return self._touch(self._env.unwrapped.data)

    def _begin(self, seed: int) -> int:
        """Put everything where the episode of this seed starts; returns how often one was solved and drawn anew."""
        self._seed = seed
        self._steps, self._terminated, self._truncated = 0, False, False
        for redraw in range(REDRAWS):
            seen, info = self._draw(None if redraw else seed)
            self._see(seen, info)
            if not self._starts_solved(info):
                return redraw
        raise UserError(f"{REDRAWS} starts in a row were solved before the first step (seed {seed}); tighten success")

    def _see(self, seen: Any, info: dict[str, Any], reward: float = 0.0) -> None:
        """Take in what the environment returned."""
        self._paid = reward
        self._state = np.asarray(self._read(seen, info), np.float32)

    def _reward(self) -> float:
        return -float(self.cost(torch.from_numpy(self._state))) if self.judges_states else self._paid

    def _observe(self) -> dict[str, np.ndarray]:
        return {"state": self._state} if self.config.observation == "state" else {"pixels": self._pixels()}

    def _describe(self) -> TaskSpec:
        facts, observed = self._facts(), self._observe()
        return TaskSpec(
            name=facts.name,
            observation={key: value.shape for key, value in observed.items()},
            action_size=self._scale.size,
            episode_steps=self._episode_steps,
            control_hz=facts.control_hz,
            tags=facts.tags,
            instruction=facts.instruction,
            success_test=facts.success_test,
            physics=f"mujoco {mujoco.__version__}, {facts.library}",
            variables=facts.variables,
            settings=defining_options(self.config) | {"episode_steps": self._episode_steps} | facts.settings,
        )


@dataclass(frozen=True)
class Facts:
    """What a subclass adds to the specification; see `TaskSpec`."""

    name: str
    library: str  # with its version, e.g. "gymnasium_robotics 1.4.2"
    control_hz: float | None
    tags: tuple[str, ...]
    instruction: str
    success_test: str
    variables: tuple[Variable, ...]
    settings: dict[str, Any] = field(default_factory=dict)  # options with a value of the library's own


def make(name: str, **options: Any) -> tuple[Any, int | None]:
    """The bare environment of a registered id and its episode length; UserError for an id that does not exist."""
    if name not in gymnasium.registry:
        raise unknown("task.id", name, gymnasium.registry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing screens: nothing here needs one
        env = gymnasium.make(name, disable_env_checker=True, **options)
    return env.unwrapped, env.spec.max_episode_steps if env.spec else None


def pieces(*parts: tuple[str, int, str], tolerance: dict[str, float] | None = None) -> tuple[Variable, ...]:
    """Variables that follow one another: (name, size, unit) of each; `tolerance` of those that success depends on."""
    found, start = [], 0
    for name, size, unit in parts:
        found.append(Variable(name, start, start + size, unit, (tolerance or {}).get(name)))
        start += size
    return tuple(found)


def _space(value: np.ndarray) -> spaces.Box:
    if value.dtype == np.uint8:
        return spaces.Box(0, 255, value.shape, np.uint8)
    return spaces.Box(-np.inf, np.inf, value.shape, np.float32)
