"""The contract of a dataset in any format: a specification, and its episodes one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.splits import SplitConfig, count_out
from wm_lab.errors import UserError
from wm_lab.formats.actions import RecordedScale
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.files import shortened
from wm_lab.formats.observed import Observed
from wm_lab.formats.still import LARGEST
from wm_lab.tasks.task import TaskSpec

LARGEST_SIDE = 4096
"""Of an imported image, in pixels; frames of that size are 48 MiB each."""

LABELS = "labels"
"""Where an origin keeps what the numbers of actions and states are called."""

MATRIX = 64
"""Numbers of the largest matrix, such as a pose, that is read as a vector; larger ones are depth images and such."""

Advance = Callable[[int], object]
"""Hears how many episodes are done since the last call."""


class Source(ABC):
    """A recorded dataset in the lab's terms. Built with what can be known without reading its episodes."""

    format: str
    """How it is called, such as "LeRobot v3"."""

    name: str  # where it lies, for errors
    task_spec: TaskSpec
    kept: np.ndarray  # [E] numbers that its episodes have in the recording; those left out are never read
    without: tuple[int, ...] = ()  # the numbers of those
    lengths: np.ndarray  # [E] actions of each episode
    table: dict[str, np.ndarray]  # {"seed", "behaviour", "strength", "round", "instruction"}: [E], whatever is known
    behaviours: list[str]  # names that table["behaviour"] points at
    notes: list[str]  # a sentence for whatever was left out or changed
    origin: dict[str, Any]  # of the recording, in JSON's terms, as far as it is known
    scale: RecordedScale  # by which its actions came into [-1, 1]

    @abstractmethod
    def episodes(self) -> Iterator[Episode]:
        """The kept episodes, in order and read as asked for; UserError names the file and what is wrong with it."""

    @property
    def instructions(self) -> list[str]:
        """Sentences that table["instruction"] points at; without that column, the specification's is the only one."""
        return [self.task_spec.instruction]

    @property
    def labels(self) -> dict[str, list[str]]:
        """What the numbers of "action" and "state" are called, such as joints, where the recording says."""
        labels: dict[str, list[str]] = self.origin.get(LABELS, {})
        return labels

    @contextmanager
    def reading(self, index: int) -> Iterator[None]:
        """Of the kept episode `index`: what is unreadable in it is told with its number and the way around it."""
        try:
            yield
        except Unreadable as error:
            raise UserError(
                f"{self.called(index)} of {self.name} {error}; leave it out with --without {self.kept[index]}"
            ) from None

    def called(self, index: int) -> str:
        """The kept episode `index` in a sentence."""
        return f"episode {self.kept[index]}"

    def split(self) -> np.ndarray:
        """Index into `SPLITS` of every episode, as many of each as an import holds out by default."""
        return count_out(np.zeros(len(self), bool), 0, SplitConfig())

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def rows(self) -> int:
        """Observations in all."""
        return int((self.lengths + 1).sum())


@dataclass(frozen=True)
class Wishes:
    """What an import may choose."""

    image_size: int | None = None  # side of the square that every image is brought to; None: as recorded
    hz: float | None = None  # of the control steps, for formats that do not tell
    keys: list[str] | None = None  # cameras and vectors to keep; None: all
    without: tuple[int, ...] = ()  # numbers of episodes that are left out, unread
    map: Mapping[str, Sequence[str]] = field(default_factory=dict)  # {our name: columns of the recording's}

    def __post_init__(self) -> None:
        if self.hz is not None and rate(self.hz) is None:
            raise UserError(f"--hz {self.hz:g} is no number of steps a second; say one above 0")
        if self.image_size is not None and not 1 <= self.image_size <= LARGEST_SIDE:
            raise UserError(f"--image-size {self.image_size} is outside 1..{LARGEST_SIDE} (0: as recorded)")

    def kept(self, recorded: int, name: str) -> np.ndarray:
        """Numbers of the episodes to read, of as many `recorded`; UserError where one left out is not there."""
        for index in self.without:
            if not 0 <= index < recorded:
                raise UserError(f"{name} has the episodes 0 to {recorded - 1}, and none is {index}; correct --without")
        if len(set(self.without)) == recorded:
            raise UserError(f"{name} has {recorded} episodes and --without leaves out all of them; keep some")
        return np.setdiff1d(np.arange(recorded), self.without)

    def sorted_out(
        self, found: Mapping[str, tuple[tuple[int, ...], np.dtype]], notes: list[str]
    ) -> tuple[dict[str, tuple[int, int, int]], dict[str, int]]:
        """Of arrays {key: (shape [L, ...], dtype)}: shapes of the cameras' frames as imported, and the vectors' sizes.

        A note is added on what is neither. Cameras within groups are called "group.camera", for they become files.
        """
        images: dict[str, tuple[int, int, int]] = {}
        vectors: dict[str, int] = {}
        side = self.image_size
        for key, (shape, dtype) in found.items():
            if (
                len(shape) == 4
                and dtype == np.uint8
                and shape[-1] == 3
                and 0 < min(shape[1:]) <= max(shape[1:]) <= LARGEST
            ):
                images[key.replace("/", ".")] = (shape[1], shape[2], 3) if side is None else (side, side, 3)
            elif dtype.kind in "fiub" and (len(shape) in (1, 2) or (len(shape) == 3 and prod(shape[1:]) <= MATRIX)):
                vectors[key] = prod(shape[1:])
            else:
                notes.append(f"left out: {words(key)}, which is {dtype} {list(shape[1:])}")
        return images, vectors


def describe(
    name: str, observed: Observed, scale: RecordedScale, lengths: np.ndarray, hz: float, instruction: str, physics: str
) -> TaskSpec:
    """The specification of a recording: all that its metadata tell of a task."""
    return TaskSpec(
        name=f"recorded/{name}",
        observation={key: observed.shapes[key] for key in observed.seen},
        action_size=len(scale.low),
        episode_steps=int(lengths.max()),
        control_hz=hz,
        tags=(),
        instruction=instruction,
        success_test="as recorded",
        physics=physics,
        variables=observed.variables(),
        settings=scale.settings(),
    )


def rate(told: object) -> float | None:
    """A recorded number that can be a rate, such as frames a second, or a duration; None where it is anything else."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not 1e-6 <= told <= 1e6:
        return None
    return float(told)


def words(told: object) -> str:
    """A recorded text for people: its first line, fit for a sentence; "" where there is none."""
    first = (str(told).splitlines() or [""])[0] if isinstance(told, str | int | float) else ""
    return shortened(first) if first else ""


def need(module: str, extra: str, what: str) -> ModuleType:
    """An optional package, or one sentence on how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(f"{what} needs the package {module} ({error}); pip install 'wm_lab[{extra}]'") from None
