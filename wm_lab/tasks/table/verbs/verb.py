"""What a verb has to say: its sentences, what it asks for, when that is done, how far it is, and who shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor

from wm_lab.tasks.hand.experts import HandExpert, Watched
from wm_lab.tasks.hand.state import Layout

Number = Any  # a float, an array or a tensor of one shape
Point = tuple[Number, Number, Number]

ONE_BLOCK = Layout(1)
"""A command as a task with one block sees it: the hand's numbers, position and rotation of the object, and a point."""

POSITION = ONE_BLOCK.position(0)


def aside(x: Sequence[Number]) -> Number:
    """m², from the block to the goal, seen from above; x: a state of `ONE_BLOCK`."""
    return (x[POSITION] - x[-3]) ** 2 + (x[POSITION + 1] - x[-2]) ** 2


class Verb(ABC):
    """One kind of command. To add one, write a file beside this one; `task.verbs` then knows it by its name.

    `x` is always a state of `ONE_BLOCK`, 35 numbers: the object of the command is its block, `goal` its goal.
    """

    name: ClassVar[str]
    target: ClassVar[Literal["block", "zone"] | None]
    """What the object goes to."""
    frames: ClassVar[tuple[str, ...]]
    """Ways to say it, with {object} and, where there is one, {target}."""
    new_frames: ClassVar[tuple[str, ...]] = ()
    """Ways that no training episode is told in, in words that none of them has."""
    held_out: ClassVar[frozenset[tuple[str, str]]] = frozenset()
    """Colours of object and target that no training episode is asked for together."""
    tolerance: ClassVar[float]
    """Metres of success."""
    tags: ClassVar[tuple[str, ...]]

    @abstractmethod
    def goal(self, thing: Point, target: Point) -> Point:
        """Where fingertips or object should get to (m), given where the object is and what it goes to."""

    @abstractmethod
    def solved(self, x: Sequence[Number], tolerance: float) -> Any:
        """Whether it is done."""

    @abstractmethod
    def cost(self, x: Sequence[Number]) -> Number:
        """About 1 at a typical start, about 0 once it is done."""

    @abstractmethod
    def done(self, state: Tensor) -> Tensor:
        """States [..., 35] with it done: the object on its goal, the hand at rest where it finishes."""

    @abstractmethod
    def expert(self, watched: Watched) -> HandExpert:
        """Who shows how."""

    def clear(self, thing: tuple[float, float], target: tuple[float, float], others: list[tuple[float, float]]) -> bool:
        """Whether nothing stands in the way, seen from above: x and y (m) of object, target and all other blocks."""
        return True
