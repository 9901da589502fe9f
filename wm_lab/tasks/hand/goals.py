"""The five goals of the hand family: their facts, when they are met, and how an episode begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from wm_lab.errors import UserError
from wm_lab.tasks.hand.scene import BLOCK_HALF, HAND_HEIGHT, PEG_HALF, TCP_BELOW_HAND
from wm_lab.tasks.hand.state import TCP, Layout


@dataclass(frozen=True)
class Goal:
    """What sets one goal apart from the others. Lengths in metres."""

    name: str
    blocks: int
    episode_steps: int
    tolerance: float
    distances: tuple[float, float]  # what `goal_distance` may ask for
    toleranced: tuple[str, ...]  # variables that the tolerance applies to
    measure: str  # of the success test, whose name goes on with the tolerance
    tags: tuple[str, ...]
    instruction: str

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.blocks)


GOALS = {
    goal.name: goal
    for goal in (
        Goal(
            name="reach",
            blocks=0,
            episode_steps=40,
            tolerance=0.02,
            distances=(0.03, 0.35),
            toleranced=("tcp",),
            measure="tcp-to-goal",
            tags=("reach",),
            instruction="Move the fingertips to the pink ball.",
        ),
        Goal(
            name="push",
            blocks=1,
            episode_steps=100,
            tolerance=0.02,
            distances=(0.05, 0.4),
            toleranced=("block",),
            measure="block-to-goal-xy",
            tags=("contact",),
            instruction="Push the red block across the table to the pink ball.",
        ),
        Goal(
            name="place",
            blocks=1,
            episode_steps=80,
            tolerance=0.01,
            distances=(0.05, 0.4),
            toleranced=("block",),
            measure="block-to-goal",
            tags=("contact", "precise"),
            instruction="Pick up the red block and hold it where the pink ball is.",
        ),
        Goal(
            name="insert",
            blocks=1,
            episode_steps=100,
            tolerance=0.006,
            distances=(0.12, 0.4),
            toleranced=("block",),
            measure="peg-in-hole-xy",
            tags=("contact", "precise"),
            instruction="Put the red peg into the yellow hole.",
        ),
        Goal(
            name="stack",
            blocks=3,
            episode_steps=200,
            tolerance=0.02,
            distances=(0.12, 0.4),
            toleranced=("block1", "block2", "block3"),
            measure="blocks-on-goal-xy",
            tags=("contact", "long-horizon"),
            instruction="Stack the red, the green and the blue block, in this order, on the pink ball.",
        ),
    )
}

INSERTED_BELOW = 0.058  # m, height of the peg's centre once it is in the hole (0.05 where it stands on the table)
STACKED_WITHIN = 0.01  # m, vertical error of a stacked block

REACH = (-0.2, 0.2), (-0.15, 0.2)  # m, x and y of the part of the table where things lie
APART = 0.09  # m, between blocks at the start: the fingers fit between them
GOAL_APART = 0.12  # m, from the blocks to the goal where no distance is asked for
HAND_START = (-0.1, -0.1, -0.02), (0.1, 0.1, 0.08)  # m, the range of the first three joints
REACH_HEIGHT = (0.05, 0.25)  # m, of the goals of reach
PLACE_HEIGHT = (0.08, 0.2)  # m, of the half of place's goals that hang in the air
TURNED = 0.7  # rad, the blocks' largest yaw at the start


def solved(goal: Goal, tolerance: float, x: Sequence[Any] | np.ndarray) -> Any:
    """Whether states meet the goal. `x` holds the D numbers of a state: floats, or arrays of one shape."""
    layout = goal.layout
    gx, gy, gz = x[layout.goal : layout.goal + 3]
    if goal.name == "reach":
        return (x[TCP] - gx) ** 2 + (x[TCP + 1] - gy) ** 2 + (x[TCP + 2] - gz) ** 2 < tolerance**2
    met: Any = True
    for block in range(goal.blocks):
        at = layout.position(block)
        level = x[at + 2] - gz - stacked_height(block)
        aside = (x[at] - gx) ** 2 + (x[at + 1] - gy) ** 2
        met = met & (aside + level**2 < tolerance**2 if goal.name == "place" else aside < tolerance**2)
        if goal.name == "insert":
            met = met & (x[at + 2] < INSERTED_BELOW)
        elif goal.name == "stack":
            met = met & (abs(level) < STACKED_WITHIN)
    return met


def stacked_height(block: int) -> float:
    """Metres by which a block of the stack stands over the lowest one."""
    return 2 * BLOCK_HALF * block


class Start(NamedTuple):
    """How an episode begins."""

    hand: tuple[float, float, float]  # m, the first three joints
    blocks: list[tuple[float, float, float, float]]  # x, y, z in m, yaw in rad
    goal: tuple[float, ...]  # m, of the five goals; other tasks have more to say


def draw_start(goal: Goal, distance: float | None, random: np.random.Generator) -> Start:
    """A random start; `distance` (m) fixes how far the goal is from the fingertips (reach) or the first block in xy."""
    while True:
        hand = tuple(random.uniform(*HAND_START).tolist())
        spots: list[tuple[float, float]] = []
        for _ in range(goal.blocks):
            spots.append(_spot(random, spots))
        target = (
            _reach_goal(hand, distance, random) if goal.name == "reach" else _block_goal(goal, spots, distance, random)
        )
        if target is None:
            continue
        height = PEG_HALF[1] if goal.name == "insert" else BLOCK_HALF
        # Half a millimetre above the table, so that nothing starts in penetration.
        blocks = [(x, y, height + 0.0005, random.uniform(-TURNED, TURNED)) for x, y in spots]
        return Start(hand, blocks, target)


def _spot(random: np.random.Generator, taken: list[tuple[float, float]]) -> tuple[float, float]:
    while True:
        x, y = random.uniform(*REACH[0]), random.uniform(*REACH[1])
        if all(math.hypot(x - a, y - b) > APART for a, b in taken):
            return x, y


def _reach_goal(
    hand: tuple[float, ...], distance: float | None, random: np.random.Generator
) -> tuple[float, float, float] | None:
    low, high = zip(*REACH, REACH_HEIGHT, strict=True)
    if distance is None:
        return tuple(random.uniform(low, high).tolist())
    way = random.standard_normal(3)
    tcp = np.array([hand[0], hand[1], hand[2] + HAND_HEIGHT - TCP_BELOW_HAND])
    target = tcp + distance * way / np.linalg.norm(way)
    return tuple(target.tolist()) if np.all((target >= low) & (target <= high)) else None


def _block_goal(
    goal: Goal, spots: list[tuple[float, float]], distance: float | None, random: np.random.Generator
) -> tuple[float, float, float] | None:
    if distance is None:
        x, y = random.uniform(*REACH[0]), random.uniform(*REACH[1])
        crowded = spots
    else:
        angle = random.uniform(-math.pi, math.pi)
        x, y = spots[0][0] + distance * math.cos(angle), spots[0][1] + distance * math.sin(angle)
        crowded = spots[1:]
    inside = REACH[0][0] <= x <= REACH[0][1] and REACH[1][0] <= y <= REACH[1][1]
    if not inside or any(math.hypot(x - a, y - b) < GOAL_APART for a, b in crowded):
        return None
    if goal.name == "insert":
        return x, y, PEG_HALF[1] + 0.001
    if goal.name == "place" and random.random() < 0.5:
        return x, y, random.uniform(*PLACE_HEIGHT)
    return x, y, BLOCK_HALF


def check_difficulty(goal: Goal, tolerance: float, distance: float | None) -> None:
    """Refuses options that no episode could be drawn for."""
    if distance is None:
        return
    low, high = goal.distances
    if not low <= distance <= high:
        raise UserError(f"task.goal_distance={distance} m must lie in [{low}, {high}] for goal={goal.name}")
    if distance <= tolerance:
        raise UserError(
            f"task.goal_distance={distance} m does not exceed task.tolerance={tolerance} m, so every start would be "
            "solved; raise goal_distance or lower tolerance"
        )
