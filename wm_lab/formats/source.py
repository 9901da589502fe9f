"""The contract of a dataset in any format: a card, and its episodes one after another.

Everybody else aligns a step with the action taken *from* it; the lab aligns on arrival. So of a recording of L frames
the last action, whose outcome nobody recorded, is left out, and L - 1 actions remain (`arrive`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.tasks.task import TaskCard, Variable

Advance = Callable[[int], object]
"""Hears how many episodes are done since the last call."""


class Source(ABC):
    """A recorded dataset in the lab's terms. Built with what can be known without reading its episodes."""

    format: ClassVar[str]
    """How it is called, such as "LeRobot v3"."""

    name: str  # where it lies, for errors
    card: TaskCard
    kept: np.ndarray  # [E] numbers that its episodes have in the recording; those left out are never read
    without: tuple[int, ...] = ()  # the numbers of those
    lengths: np.ndarray  # [E] actions of each episode
    table: dict[str, np.ndarray]  # {"seed", "behaviour", "strength", "round", "instruction"}: [E], whatever is known
    behaviours: list[str]  # names that table["behaviour"] points at
    notes: list[str]  # a sentence for whatever was left out or changed
    origin: dict[str, Any]  # of the recording, in JSON's terms, as far as it is known
    scale: ActionScale  # by which its actions came into [-1, 1]

    @abstractmethod
    def episodes(self) -> Iterator[Episode]:
        """The kept episodes, in order and read as asked for; UserError names the file and what is wrong with it."""

    @property
    def instructions(self) -> list[str]:
        """Sentences that table["instruction"] points at; without that column, the card's is the only one."""
        return [self.card.instruction]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def rows(self) -> int:
        """Observations in all."""
        return int((self.lengths + 1).sum())


@dataclass(frozen=True)
class Wishes:
    """What an import may choose."""

    image_size: int | None = None  # side of the square that every image is brought to; None: as recorded
    hz: float | None = None  # of the control steps, for formats that do not tell
    keys: list[str] | None = None  # observations to keep; None: all
    without: tuple[int, ...] = ()  # numbers of episodes that are left out, unread

    def kept(self, recorded: int, name: str) -> np.ndarray:
        """Numbers of the episodes to read, of as many `recorded`; UserError where one left out is not there."""
        for index in self.without:
            if not 0 <= index < recorded:
                raise UserError(f"{name} has the episodes 0 to {recorded - 1}, and none is {index}; correct --without")
        if len(set(self.without)) == recorded:
            raise UserError(f"{name} has {recorded} episodes and --without leaves out all of them; keep some")
        return np.setdiff1d(np.arange(recorded), self.without)


@dataclass(frozen=True)
class ActionScale:
    """Between a recording's actions and the lab's [-1, 1]. A dimension that lies in it already stays as it is."""

    low: np.ndarray  # [A]
    high: np.ndarray  # [A]

    @classmethod
    def of(cls, parts: Iterable[np.ndarray], name: str) -> ActionScale:
        """The smallest that holds the actions [n, A] of all parts."""
        lows, highs = [], []
        for part in parts:
            if len(part):
                lows.append(np.where(np.isfinite(part), part, np.inf).min(0))
                highs.append(np.where(np.isfinite(part), part, -np.inf).max(0))
        if not lows:
            raise UserError(f"{name} holds no action; record some episodes first")
        low, high = np.min(lows, 0).astype(np.float64), np.max(highs, 0).astype(np.float64)
        inside = (low >= -1) & (high <= 1)
        return cls(np.where(inside, -1.0, low), np.where(inside, 1.0, high))

    @property
    def is_identity(self) -> bool:
        return bool((self.low == -1).all() and (self.high == 1).all())

    def normalise(self, raw: np.ndarray) -> np.ndarray:
        """[..., A] in the recording's units -> float32 in [-1, 1]"""
        half = (self.high - self.low) / 2
        scaled = (raw - (self.high + self.low) / 2) / np.where(half > 0, half, 1.0)
        return np.clip(scaled, -1, 1).astype(np.float32)

    def settings(self) -> dict[str, Any]:
        """For the task card, since it is what this task's actions mean; nothing where they are as recorded."""
        return {} if self.is_identity else {"action_low": self.low.tolist(), "action_high": self.high.tolist()}


@dataclass
class Frames:
    """One recorded episode as everybody else keeps it: frame t holds what was seen and what was then done.

    Arrays lead with L frames; `last` is an observation after the last action, where the format records one.
    """

    observation: dict[str, np.ndarray]  # {key: [L, ...]}
    action: np.ndarray  # [L, A] float32 in [-1, 1]
    last: dict[str, np.ndarray] | None = None  # {key: [...]}
    reward: np.ndarray | None = None  # [L], of the action
    success: np.ndarray | None = None  # [L] bool, after the action; None: nobody said
    contact: np.ndarray | None = None  # [L] bool, after the action
    terminal: np.ndarray | None = None  # [L] bool, after the action

    def arrive(self, seed: int) -> Episode:
        """The same on arrival. Flags of a last action that is left out count for the last row: they often stand there
        alone."""
        steps = len(self.action) - (self.last is None)
        observation = {
            key: value if self.last is None else np.concatenate([value, self.last[key][None]])
            for key, value in self.observation.items()
        }
        action = np.zeros((steps + 1, self.action.shape[1]), np.float32)
        action[1:] = self.action[:steps]
        reward = np.zeros(steps + 1, np.float32)
        if self.reward is not None:
            reward[1:] = self.reward[:steps]
        success, contact, terminal = (_arrived(flag, steps) for flag in (self.success, self.contact, self.terminal))
        return Episode(seed, observation, action, reward, success, contact, terminal)


def _arrived(flag: np.ndarray | None, steps: int) -> np.ndarray:
    arrived = np.zeros(steps + 1, bool)
    if flag is not None and steps:
        arrived[1:] = flag[:steps]
        arrived[-1] |= flag[-1]
    return arrived


@dataclass
class Vectors:
    """How a recording's vectors become one state: side by side, each a named variable of it."""

    sizes: dict[str, int] = field(default_factory=dict)  # {vector: width}, in this order

    @property
    def width(self) -> int:
        return sum(self.sizes.values())

    def variables(self) -> tuple[Variable, ...]:
        stops = np.cumsum(list(self.sizes.values())).tolist()
        return tuple(
            Variable(name, stop - size, stop, "") for (name, size), stop in zip(self.sizes.items(), stops, strict=True)
        )

    def join(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """[L, width] float32 of one part [L, ...] a vector."""
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1).astype(np.float32)


def describe(
    name: str,
    images: Mapping[str, tuple[int, ...]],
    vectors: Vectors,
    scale: ActionScale,
    lengths: np.ndarray,
    hz: float,
    instruction: str,
    physics: str,
) -> TaskCard:
    """The card of a recording: all that its metadata tell of a task."""
    if not vectors.width:
        raise UserError(
            f"{name} holds no vector observation, and the lab's state is one; record the robot's own readings too"
        )
    return TaskCard(
        name=f"recorded/{name}",
        observation={"state": (vectors.width,), **images},
        action_size=len(scale.low),
        episode_steps=int(lengths.max()),
        control_hz=hz,
        tags=(),
        instruction=instruction,
        success_test="as recorded",
        physics=physics,
        variables=vectors.variables(),
        settings=scale.settings(),
    )


def keep_only(card: TaskCard, keys: list[str] | None) -> TaskCard:
    """The card with some of its observations; UserError names one that is not there."""
    if keys is None:
        return card
    for key in keys:
        if key not in card.observation:
            raise UserError(f"{card.name} has no observation {key!r}; it has {', '.join(card.observation)}")
    return replace(card, observation={key: card.observation[key] for key in keys})


def need(module: str, extra: str, what: str) -> ModuleType:
    """An optional package, or one sentence on how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"{what} needs the package {module} ({error}); pip install 'wm_lab[{extra}]'") from None
