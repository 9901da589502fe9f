"""Dense costs of the five goals: about 1 at a typical start, about 0 at success, smooth everywhere.

Grasping is staged so that sampled action sequences find each stage from the one before: come over the block with open
fingers, go down around it, close, lift, carry above what stands in the way, set down. Every stage only ever lowers the
cost, so that none is a wall in front of the next.

A formula is written once, over the numbers of a state: they are floats while the simulator steps (microseconds), and
tensors while a planner scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wm_lab.tasks.hand.goals import GOALS, stacked_height
from wm_lab.tasks.hand.scene import BLOCK_HALF, FINGER_OPEN, PEG_HALF
from wm_lab.tasks.hand.state import FINGER, PITCH, ROLL, TCP, YAW

Number = Any  # a float, or a tensor [...]
State = Sequence[Number]  # the D numbers of a state

FAR = 0.25  # m, a typical way to go: distances are counted in it
ROUNDING = 0.002  # m, below which a distance turns from a cone into a bowl, to have a gradient at zero

PUSH_FROM = 0.05  # m, how far behind the block's centre the fingertips should be to push it
GRASP_RADIUS = 0.015  # m, of the fingertips around the grasp point, within which closing the fingers pays
APPROACH_HEIGHT, APPROACH_RADIUS = 0.07, 0.03  # m, how high to come in and how near before going down
PEG_GRASP = 0.03  # m, above the peg's centre, where fingers stay clear of the hole's walls
PLACED_RADIUS = 0.01  # m, of a block around its target, within which the hand is free to go


def reach(x: State) -> Number:
    return _length(x[TCP] - x[-3], x[TCP + 1] - x[-2], x[TCP + 2] - x[-1]) / FAR


def push(x: State) -> Number:
    """The block's way to the goal, and the fingertips' way to the point behind the block from where to push it."""
    block = GOALS["push"].layout.position(0)
    bx, by = x[block], x[block + 1]
    gx, gy = x[-3] - bx, x[-2] - by
    far = _length(gx, gy)
    back = PUSH_FROM / (far + ROUNDING)
    behind = _length(x[TCP] - bx + gx * back, x[TCP + 1] - by + gy * back, x[TCP + 2] - BLOCK_HALF)
    return (far + 0.15 * behind) / FAR


def place(x: State) -> Number:
    return manipulate(x, "place", 0, BLOCK_HALF, grasp_above=0.0, clearance=0.0, corridor=PLACED_RADIUS) / 2.0


def insert(x: State) -> Number:
    cost = manipulate(x, "insert", 0, PEG_HALF[0], grasp_above=PEG_GRASP, clearance=0.06, corridor=0.006)
    return cost / 2.0


def stack(x: State) -> Number:
    """One block after the other: a block's grasp counts only once those below it stand."""
    total: Number = 0.0
    turn: Number = 1.0  # 1 while it is this block's turn, 0 before
    for block in range(GOALS["stack"].blocks):
        cost, placed = _stage(x, "stack", block, BLOCK_HALF, grasp_above=0.0, clearance=0.06, corridor=0.015)
        way, handling = cost
        total = total + way + (turn * handling + (1.0 - turn) * 1.0) * (1.0 - placed)
        turn = turn * placed
    return total / (2.0 * GOALS["stack"].blocks)


COSTS: dict[str, Callable[[State], Number]] = {
    "reach": reach,
    "push": push,
    "place": place,
    "insert": insert,
    "stack": stack,
}


def goal_state(name: str, state: Tensor) -> Tensor:
    """States [..., D] moved to where the goal is met: blocks at rest on their targets, fingertips where they finish."""
    layout = GOALS[name].layout
    goal = state[..., layout.goal :]
    there = state.clone()
    there[..., 8:16] = 0.0
    for block in range(layout.blocks):
        at = layout.position(block)
        there[..., at : at + 3] = goal
        there[..., at + 2] += stacked_height(block)
    tcp = goal.clone()
    if name == "push":
        start = state[..., layout.position(0) : layout.position(0) + 2]
        way = goal[..., :2] - start
        tcp[..., :2] -= PUSH_FROM * way / way.norm(dim=-1, keepdim=True).clamp_min(ROUNDING)
        tcp[..., 2] = BLOCK_HALF
    elif name == "insert":
        tcp[..., 2] += PEG_GRASP
    elif name == "stack":
        tcp[..., 2] += stacked_height(layout.blocks - 1)
    moved = tcp - state[..., TCP : TCP + 3]
    there[..., TCP : TCP + 3] = tcp
    there[..., :3] += moved
    there[..., 16:19] += moved
    return there


def reached_goal(name: str, state: np.ndarray) -> np.ndarray:
    """The goal [3] that a state [D] shows reached; LookupError of goals that hold more than one thing in place."""
    layout = GOALS[name].layout
    if layout.blocks > 1:
        raise LookupError(f"hand/{name} cannot be given another goal: its blocks would have to stand on one another")
    if name == "insert":
        raise LookupError("hand/insert cannot be given another goal: its hole stands where it stands")
    at = layout.position(0) if layout.blocks else TCP
    return np.asarray(state[at : at + 3], np.float64)


def manipulate(x: State, name: str, block: int, half: float, **shape: float) -> Number:
    """The way of a block to its target, and of the hand around it until it lies there: 2 at a typical start."""
    (way, handling), placed = _stage(x, name, block, half, **shape)
    return way + handling * (1.0 - placed)


def _stage(
    x: State, name: str, block: int, half: float, grasp_above: float, clearance: float, corridor: float
) -> tuple[tuple[Number, Number], Number]:
    """One block's ((way to its target, handling: 1 untouched to 0 held), placed: 1 on its target to 0 far from it)."""
    layout = GOALS[name].layout
    at, turned = layout.position(block), layout.rotation(block)
    bx, by, bz = x[at], x[at + 1], x[at + 2]
    target_z = x[-1] + stacked_height(block)

    aside = _length(bx - x[-3], by - x[-2])
    way = _length(aside, bz - target_z - clearance * _beyond(aside, corridor))
    placed = _near(_length(aside, bz - target_z), PLACED_RADIUS)

    beside = _length(x[TCP] - bx, x[TCP + 1] - by)
    above = x[TCP + 2] - bz - grasp_above - APPROACH_HEIGHT * _beyond(beside, APPROACH_RADIUS)
    approach = _length(beside, above)
    around = _near(approach, GRASP_RADIUS)
    opening = x[FINGER] / FINGER_OPEN
    squeeze = 1.0 - abs(x[FINGER] - half) / (FINGER_OPEN - half)
    crooked = _crooked(x[YAW], x[turned : turned + 4])
    tilted = x[PITCH] ** 2 + x[ROLL] ** 2
    handling = (
        0.4 * approach / FAR
        + 0.4 * (1.0 - around * squeeze)
        + 0.1 * (1.0 - around) * abs(1.0 - opening)
        + 0.1 * crooked
        + 0.3 * tilted
    )
    return (way / FAR, handling), placed


def _length(*parts: Number) -> Number:
    first, *others = parts
    total = first**2
    for other in others:
        total = total + other**2
    return _sqrt(total + ROUNDING**2) - ROUNDING


def _near(distance: Number, radius: float) -> Number:
    """1 at zero, a half at the radius, 0 far away."""
    return 1.0 / (1.0 + (distance / radius) ** 2)


def _beyond(distance: Number, radius: float) -> Number:
    """0 at zero, a half at the radius, 1 far away."""
    return 1.0 - _near(distance, radius)


def _crooked(yaw: Number, rotation: Sequence[Number]) -> Number:
    """How far the fingers are from parallel to a block's faces: 0 parallel, 1 at 45 degrees; faces repeat by 90."""
    w, i, j, k = rotation
    sine, cosine = 2.0 * (w * k + i * j), 1.0 - 2.0 * (j * j + k * k)
    double_sine, double_cosine = 2.0 * sine * cosine, cosine * cosine - sine * sine
    return (_sin(2.0 * yaw) * double_cosine - _cos(2.0 * yaw) * double_sine) ** 2


def _sqrt(x: Number) -> Number:
    return x.sqrt() if isinstance(x, Tensor) else math.sqrt(x)


def _sin(x: Number) -> Number:
    return torch.sin(x) if isinstance(x, Tensor) else math.sin(x)


def _cos(x: Number) -> Number:
    return torch.cos(x) if isinstance(x, Tensor) else math.cos(x)
