"""The contract of a robot task: a Gymnasium environment that can also say what success is, and be put back in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

import gymnasium
import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Positive, Steps
from wm_lab.errors import UserError
from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, RAYS, Overlay
from wm_lab.tasks.variation import Factors

if TYPE_CHECKING:
    from wm_lab.tasks.raycast import View

HINTS = ("budget_multiplier", "random_episodes", "planning")
"""Options of a task that advise those who train and plan for it and change nothing of what happens in it."""


def defining_options(config: Any) -> dict[str, Any]:
    """The options of a task's config dataclass that make it the task it is: all but the hints."""
    return {name: value for name, value in asdict(config).items() if name not in HINTS}


@dataclass
class PlanningHints:
    """How far ahead a planner should look on a task, in control steps, and how widely it should search."""

    horizon: Steps = 8
    """Steps to look ahead."""
    action_block: Steps = 1
    """Steps that repeat one planned action."""
    execute: Steps = 1
    """Steps played before planning anew."""
    std: list[Positive] = field(default_factory=lambda: [0.6])
    """Spread of the first candidates: one number, or one for each action dimension."""
    near: Steps = 4
    """Steps that planning around a clone's plan looks ahead. Too few, where what moves goes on by itself, and it flies
    past its goal."""

    def __post_init__(self) -> None:
        if not self.std:
            raise UserError("task.planning.std is empty; give one number above 0, or one for each action dimension")
        for name in ("action_block", "execute"):
            if getattr(self, name) > self.horizon:
                raise UserError(
                    f"task.planning.{name}={getattr(self, name)} exceeds task.planning.horizon={self.horizon}; "
                    f"lower {name} or raise horizon"
                )


SCENE = "scene"
"""The observation of a task that is told what to do: its state but for the command, which are the last numbers."""

UNTOLD = "as the environment has it"
"""The unit of numbers that an environment of somebody else's does not explain."""


@dataclass(frozen=True)
class Variable:
    """A named piece of the state observation, e.g. the block's position in metres."""

    name: str
    start: int
    stop: int
    unit: str
    tolerance: float | None = None
    """Success tolerance on the Euclidean norm of this variable's error; None where success does not depend on it."""

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class TaskSpec:
    """What a table, a planner or a model must know of a task without running it."""

    name: str  # "hand/push"
    observation: dict[str, tuple[int, ...]]  # shape of each observation key; uint8 images are (H, W, 3)
    action_size: int
    episode_steps: int
    control_hz: float | None  # None: nobody told how long a step is
    tags: tuple[str, ...]  # of: reach, contact, precise, long-horizon
    instruction: str  # one sentence, for language-conditioned models
    success_test: str  # named and versioned with its tolerance, e.g. "block-to-goal-xy<0.02@1"; "": rewards alone
    physics: str  # e.g. "mujoco 3.3.0"
    variables: tuple[Variable, ...]  # pieces of observation["state"]
    settings: dict[str, Any]  # what made this task: tolerance, goal_distance, ...
    alike: tuple[tuple[tuple[int, ...], ...], ...] = ()
    """Groups of things of a kind, each thing its numbers in observation["state"], in one order: exchanged for one
    another, in all steps of an episode, they make an episode that is as true and is paid alike."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TaskSpec:
        """Inverse of `dataclasses.asdict`, also after a trip through JSON (lists become tuples again)."""
        shapes = {key: tuple(shape) for key, shape in values["observation"].items()}
        variables = tuple(Variable(**variable) for variable in values["variables"])
        alike = tuple(tuple(map(tuple, group)) for group in values.get("alike", ()))
        lists = {"tags": tuple(values["tags"]), "variables": variables, "alike": alike}
        return cls(**{**values, "observation": shapes, **lists})


def consecutive(**sizes: int) -> dict[str, tuple[int, ...]]:
    """Groups of so many numbers that follow one another: `consecutive(position=3, fingers=1)`."""
    found, start = {}, 0
    for name, size in sizes.items():
        found[name] = tuple(range(start, start + size))
        start += size
    return found


class Expert(ABC):
    """A scripted controller bound to one running episode of one task; it may read the simulator."""

    @abstractmethod
    def act(self) -> np.ndarray:
        """The next action [A] in [-1, 1] for the task's present state."""


class SimulatedFutures(NamedTuple):
    """What became of N action sequences from each of B snapshots, in the true dynamics."""

    states: np.ndarray  # [B, N, H, D] float32
    success: np.ndarray  # [B, N, H] bool
    rewards: np.ndarray  # [B, N, H] float32, of arriving at each state


class Relocation(Protocol):
    """Carries an episode over to another place, where the same actions, carried over too, do the same."""

    def state(self, state: np.ndarray) -> np.ndarray:
        """[..., D] -> [..., D]"""
        ...

    def action(self, action: np.ndarray) -> np.ndarray:
        """[..., A] -> [..., A]"""
        ...

    def snapshot(self, snapshot: np.ndarray) -> np.ndarray:
        """[S] -> [S]"""
        ...


class Task(gymnasium.Env, ABC):
    """A Gymnasium environment with success, snapshots, an expert and a dense cost.

    Observations are `{key: array}` with the keys of `task_spec.observation`. `step` returns Gymnasium's five values;
    the reward is `-cost(state)` of the state arrived at (or the environment's own, see `judges_states`), and `info`
    holds "success" (bool, now) and "contact" (bool: the robot or what it moves touches something that matters).
    Success does not end the episode: whoever plays decides.
    `truncated` is True at `task_spec.episode_steps`. `reset(seed=s)` always gives the same start, never a solved one;
    its `info` may hold "redrawn", how many starts in a row were solved and drawn anew.
    """

    Config: type

    playable: ClassVar[bool] = True
    """False of what is only described, such as a recording: there is no simulator behind it."""

    task_spec: TaskSpec

    renderer: str = RAYS
    """Who draws what `render` shows of MuJoCo, see `choose_renderer`; observations are cast rays, whatever it is."""

    @abstractmethod
    def state(self) -> np.ndarray:
        """The full state observation [D] float32, whatever observations were asked for."""

    @abstractmethod
    def cost(self, state: Tensor) -> Tensor:
        """Dense cost of state observations, [..., D] -> [...], differentiable, lower is better."""

    @property
    def instruction(self) -> str:
        """What the robot is told in the episode that runs now."""
        return self.task_spec.instruction

    def command(self, action: np.ndarray) -> np.ndarray:
        """An action [A] in [-1, 1] in the robot's own units, as whoever drives it outside of the lab is told it."""
        return action

    @property
    def cost_caution(self) -> str:
        """What is known against the cost, for who plans by it: a sentence, empty where nothing is."""
        return ""

    @property
    def judges_states(self) -> bool:
        """Whether `cost` can tell what a state is worth; if not, playing alone tells: `step`, `futures`, `rewards`."""
        return True

    def solved(self, states: np.ndarray) -> np.ndarray:
        """Whether the task is solved, [...] bool, in states [..., D], imagined ones too.

        LookupError where more than a state decides.
        """
        raise LookupError(f"{self.task_spec.name} does not tell by a state alone whether it is solved")

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        """Dimensions of an action that move the same thing, by name; all are one where nobody tells them apart."""
        return consecutive(action=self.task_spec.action_size)

    @property
    def repeatable(self) -> bool:
        """Whether an episode can be gone back to: not where the same actions lead elsewhere the next time."""
        return True

    @property
    def foresees_chance(self) -> bool:
        """Whether whoever plays a future here knows of chance that is drawn only later, since its seed is known."""
        return False

    @abstractmethod
    def snapshot(self) -> np.ndarray:
        """Everything needed to go on from here exactly, as one flat vector [S] (float64)."""

    @abstractmethod
    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        """Go back to a snapshot and return the observation there; what follows repeats bit for bit."""

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        """Take on factors of variation until told otherwise; returns what is seen now, in an episode that stays put."""
        raise UserError(f"{self.task_spec.name} does not know how to be varied; set evaluation.variation=none")

    @property
    def has_expert(self) -> bool:
        """Whether somebody can show how it is done; where not, data come from random actions and planners alone."""
        return True

    def expert(self) -> Expert:
        """A fresh scripted expert for the episode that runs now (call it after `reset`)."""
        raise UserError(f"{self.task_spec.name} has no expert; give it one (task.expert), or do without")

    def straight_line(self) -> Expert:
        """Who goes straight at the goal of the episode that runs now, whatever is in between: a floor for planners."""
        raise LookupError(f"{self.task_spec.name} does not say what going straight to its goal is")

    def goal_state(self, state: Tensor) -> Tensor:
        """The state observation [..., D] as it would look with the goal reached (for goals in latent space)."""
        raise LookupError(f"{self.task_spec.name} does not say what its goal looks like")

    def goal_observation(self) -> dict[str, np.ndarray]:
        """What would be seen with the goal of the running episode reached: an observation, and always its "state".

        Raises LookupError, naming what is missing, where the task cannot tell or show its goal.
        """
        state = self.goal_state(torch.from_numpy(self.state())).numpy()
        if set(self.task_spec.observation) == {"state"}:
            return {"state": state}
        here = self.snapshot()
        shown = self.restore(self.snapshot_like(state.astype(np.float64)))
        seen = {key: np.array(value) for key, value in shown.items()}
        self.restore(here)
        return {**seen, "state": state}

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        """From now on the goal of the running episode is what a state [D] shows reached; returns what is seen now."""
        raise LookupError(f"{self.task_spec.name} cannot be given another goal")

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        """A snapshot [S] whose scene looks as a state [D] tells, such as one that a model decoded; for pictures."""
        raise LookupError(f"{self.task_spec.name} does not say what its states look like")

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """Where points [..., 3] (m) stand in what `render` shows: [..., 2], fractions of its width and height."""
        raise LookupError(f"{self.task_spec.name} does not say where its camera stands")

    def relocate(self, states: np.ndarray, random: np.random.Generator) -> Relocation:
        """A random motion of the episode that shows `states` [L + 1, D] to where it might as well have begun."""
        raise LookupError(f"{self.task_spec.name} does not say where else an episode could happen")

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        """A picture [height, width, 3] uint8 for people, where `render_mode` is "rgb_array".

        size: (width, height); camera: the task's own, another of its model by name, or a view of one's own
        """
        raise UserError(f"{self.task_spec.name} draws no pictures; set media=false")

    def points(self, states: np.ndarray) -> dict[str, np.ndarray]:
        """Where the things are whose places states [..., D] tell, [..., 3] m in the world each; without the goal."""
        return {
            v.name: states[..., v.slice]
            for v in self.task_spec.variables
            if v.unit == "m" and v.stop - v.start == 3 and v.name != "goal"
        }

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        """State observations [M, D] float32 at snapshots [M, S], leaving the running episode where it is."""
        here = self.snapshot()
        states = np.empty((len(snapshots), self.state().shape[0]), np.float32)
        for row, snapshot in enumerate(snapshots):
            self.restore(snapshot)
            states[row] = self.state()
        self.restore(here)
        return states

    def rewards(self, snapshots: np.ndarray) -> np.ndarray:
        """Rewards [M] float32 of having arrived at snapshots [M, S]."""
        return self._worth(self.states(snapshots))

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """Play N action sequences from each of B snapshots [B, S]: actions [B, N, H, A] in [-1, 1].

        Returns states [B, N, H, D] float32 and success [B, N, H] bool, leaving the running episode where it is.
        Tasks override this slow road with a faster one, on up to `threads` threads.
        """
        here = self.snapshot()
        batch, count, horizon = actions.shape[:3]
        states = np.empty((batch, count, horizon, self.state().shape[0]), np.float32)
        success = np.zeros((batch, count, horizon), bool)
        for b, n in np.ndindex(batch, count):
            self.restore(snapshots[b])
            for t in range(horizon):
                *_, info = self.step(actions[b, n, t])
                states[b, n, t], success[b, n, t] = self.state(), info["success"]
        self.restore(here)
        return states, success

    def futures(self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1) -> SimulatedFutures:
        """As `simulate_batch`, with what is paid on the way."""
        states, success = self.simulate_batch(snapshots, actions, threads)
        return SimulatedFutures(states, success, self._worth(states))

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Snapshots [M, S] one step after others [M, S], under actions [M, A] in [-1, 1].

        Leaves the running episode where it is. Tasks override this slow road, which makes every observation.
        """
        here, after = self.snapshot(), np.empty_like(snapshots)
        for row, (snapshot, action) in enumerate(zip(snapshots, actions, strict=True)):
            self.restore(snapshot)
            self.step(action)
            after[row] = self.snapshot()
        self.restore(here)
        return after

    @torch.no_grad()
    def _worth(self, states: np.ndarray) -> np.ndarray:
        """Rewards [...] of arriving at states [..., D]."""
        return -self.cost(torch.from_numpy(states)).numpy()
