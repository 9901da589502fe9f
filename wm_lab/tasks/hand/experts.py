"""Scripted experts of the hand family: a few phases each, on plain floats, with nothing random in them.

A phase is a method that returns the action and, once it is through, hands on to the next by setting `phase`. An expert
that loses its block starts over, so it also recovers from whatever a noisy behaviour did in between.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import numpy as np

from wm_lab.tasks.hand.goals import stacked_height
from wm_lab.tasks.hand.scene import BLOCK_HALF, MAX_SPEED, MAX_TURN
from wm_lab.tasks.hand.state import PITCH, ROLL, TCP, VELOCITY, YAW, Layout
from wm_lab.tasks.task import Expert

GAIN = 14.0  # 1/s, of the fingertips towards a point
CARRY_GAIN = 12.0  # 1/s, softer with a block in the hand
TURN_GAIN = 6.0  # 1/s
LEVEL_GAIN = 4.0  # 1/s
OPEN, CLOSED = 1.0, -1.0

Phase = Callable[[], list[float]]


class Watched(Protocol):
    """What a script sees of the task that it plays."""

    layout: Layout

    @property
    def numbers(self) -> list[float]:
        """The present state [D]."""


class HandExpert(Expert):
    """What all scripts share: moving, turning, and keeping the hand level."""

    def __init__(self, task: Watched) -> None:
        self._task = task
        self.layout = task.layout
        self.phase: Phase = self.begin
        self._read()

    @abstractmethod
    def begin(self) -> list[float]:
        """The first phase of the script."""

    def act(self) -> np.ndarray:
        self._read()
        return np.array(self.phase(), np.float32)

    def _read(self) -> None:
        self.x = x = self._task.numbers
        self.tcp = x[TCP : TCP + 3]
        self.goal = x[-3:]

    def _move(self, x: float, y: float, z: float, grip: float, turn: float = 0.0, gain: float = GAIN) -> list[float]:
        """Towards a point (m), turning by an angle (rad) on the way."""
        tcp, speed = self.tcp, gain / MAX_SPEED
        return self._action(speed * (x - tcp[0]), speed * (y - tcp[1]), speed * (z - tcp[2]), grip, turn)

    def _action(self, x: float, y: float, z: float, grip: float, turn: float = 0.0) -> list[float]:
        level = LEVEL_GAIN / MAX_TURN
        return [
            _clip(x),
            _clip(y),
            _clip(z),
            _clip(TURN_GAIN / MAX_TURN * turn),
            _clip(-level * self.x[PITCH]),
            _clip(-level * self.x[ROLL]),
            grip,
        ]

    def _near(self, x: float, y: float, z: float, radius: float) -> bool:
        tcp = self.tcp
        return math.dist((x, y, z), tcp) < radius


class ReachExpert(HandExpert):
    """Straight to the goal."""

    def begin(self) -> list[float]:
        return self._move(self.goal[0], self.goal[1], self.goal[2], OPEN)


class PushExpert(HandExpert):
    """Go behind the block, come down, and push it along the line to the goal; go round again when it slips off."""

    BEHIND = 0.075  # m, from the block's centre
    ABOVE = 0.09  # m, a height that clears the block
    LOW = BLOCK_HALF
    ARRIVED = 0.012  # m, from the goal, where pushing ends
    ASTRAY = 0.02  # m, from the goal, up to which it is left there, however the fingers stand

    def begin(self) -> list[float]:
        x, y = self._behind()
        if self._near(x, y, self.ABOVE, 0.015):
            self.phase = self._descend
        return self._move(x, y, self.ABOVE, CLOSED, self._turn())

    def _descend(self) -> list[float]:
        x, y = self._behind()
        if abs(self.tcp[2] - self.LOW) < 0.006:
            self.phase = self._push
        return self._move(x, y, self.LOW, CLOSED, self._turn())

    def _push(self) -> list[float]:
        (ux, uy), far = self._way()
        ahead, aside = self._relative(ux, uy)
        if far > self.ASTRAY and (ahead > -0.012 or abs(aside) > 0.03):
            self.phase = self.begin
        vx = vy = 0.0
        if far > self.ARRIVED:
            speed = min(max(2.5 * far, 0.04), 0.25)  # m/s, slower towards the end: a fast block slides on
            vx = (ux * speed + 6.0 * aside * uy) / MAX_SPEED
            vy = (uy * speed - 6.0 * aside * ux) / MAX_SPEED
        return self._action(vx, vy, GAIN / MAX_SPEED * (self.LOW - self.tcp[2]), CLOSED, self._turn())

    def _block(self) -> tuple[float, float]:
        at = self.layout.position(0)
        return self.x[at], self.x[at + 1]

    def _way(self) -> tuple[tuple[float, float], float]:
        """Unit vector and distance from the block to the goal."""
        bx, by = self._block()
        dx, dy = self.goal[0] - bx, self.goal[1] - by
        far = math.hypot(dx, dy)
        return (dx / max(far, 1e-6), dy / max(far, 1e-6)), far

    def _relative(self, ux: float, uy: float) -> tuple[float, float]:
        """The fingertips from the block, along the way (negative behind it) and to its left."""
        bx, by = self._block()
        dx, dy = self.tcp[0] - bx, self.tcp[1] - by
        return dx * ux + dy * uy, dy * ux - dx * uy

    def _behind(self) -> tuple[float, float]:
        (ux, uy), _ = self._way()
        bx, by = self._block()
        return bx - self.BEHIND * ux, by - self.BEHIND * uy

    def _turn(self) -> float:
        """Angle that puts the hand's broad side, which repeats every half turn, across the way."""
        (ux, uy), _ = self._way()
        return _fold(math.atan2(uy, ux), math.pi) - self.x[YAW]


class GraspExpert(HandExpert):
    """Come down over the block, close, lift, carry it over the target and set it down."""

    GRASP_ABOVE = 0.0  # m, of the fingertips over the block's centre
    HOVER = 0.09  # m, over the grasp point before coming down
    LIFT = 0.13  # m, of the block's centre while it travels
    CLOSING_STEPS = 5
    OPENING_STEPS = 6
    RETREAT_STEPS = 7
    DROPPED = 0.08  # m, from fingertips to block's centre: it is no longer in the hand

    def __init__(self, task: Watched) -> None:
        self.index = 0  # of the block in work
        self.steps = 0  # since the phase began
        self.lowering = False
        super().__init__(task)

    def begin(self) -> list[float]:
        x, y, z = self._grasp()
        turn = self._block_yaw() - self.x[YAW]
        if self._near(x, y, z + self.HOVER, 0.015) and abs(turn) < 0.08:
            self._go(self._descend)
        return self._move(x, y, z + self.HOVER, OPEN, turn)

    def _descend(self) -> list[float]:
        x, y, z = self._grasp()
        if self._near(x, y, z, 0.008):
            self._go(self._close)
        return self._move(x, y, z, OPEN, self._block_yaw() - self.x[YAW])

    def _close(self) -> list[float]:
        self.steps += 1
        if self.steps >= self.CLOSING_STEPS:
            self.lowering = False
            self._go(self._carry)
        x, y, z = self._grasp()
        return self._move(x, y, z, CLOSED, self._block_yaw() - self.x[YAW])

    def _carry(self) -> list[float]:
        x, y, z = self._block()
        tx, ty, tz = self._waypoint()
        if math.dist(self.tcp, (x, y, z)) > self.DROPPED:
            self._go(self.begin)
        elif self._done():
            self._go(self._release)
        tcp = self.tcp
        # The block, not the fingertips, is led to the waypoint; its faces are turned parallel to the table's.
        return self._move(
            tcp[0] + tx - x, tcp[1] + ty - y, tcp[2] + tz - z, CLOSED, -self._block_yaw(), gain=CARRY_GAIN
        )

    def _release(self) -> list[float]:
        self.steps += 1
        if self.steps >= self.OPENING_STEPS:
            self._go(self._retreat)
        return self._action(0.0, 0.0, 0.0, OPEN)

    def _retreat(self) -> list[float]:
        self.steps += 1
        if self.steps >= self.RETREAT_STEPS and self.index + 1 < self.layout.blocks:
            self.index += 1
            self._go(self.begin)
        return self._action(0.0, 0.0, 1.0, OPEN)

    def _waypoint(self) -> tuple[float, float, float]:
        """Where the block should head for now: up, across, and down once it is still and straight over the target."""
        x, y, z = self._block()
        tx, ty, tz = self._target()
        far = math.hypot(x - tx, y - ty)
        self.lowering = far < 0.02 if self.lowering else self._aligned(far)
        height = tz if self.lowering else self.LIFT
        risen = z > height - 0.03
        return (tx, ty, height) if risen or far < 0.03 else (x, y, height)

    def _aligned(self, far: float) -> bool:
        return far < 0.005 and abs(self._block_yaw()) < 0.05

    def _done(self) -> bool:
        """Whether to let go."""
        return False

    def _target(self) -> tuple[float, float, float]:
        return self.goal[0], self.goal[1], self.goal[2]

    def _grasp(self) -> tuple[float, float, float]:
        x, y, z = self._block()
        return x, y, z + self.GRASP_ABOVE

    def _block(self) -> tuple[float, float, float]:
        at = self.layout.position(self.index)
        return self.x[at], self.x[at + 1], self.x[at + 2]

    def _block_yaw(self) -> float:
        """Of the face nearest to the hand's zero, in [-45, 45) degrees."""
        at = self.layout.rotation(self.index)
        w, i, j, k = self.x[at : at + 4]
        return _fold(math.atan2(2 * (w * k + i * j), 1 - 2 * (j * j + k * k)), math.pi / 2)

    def _go(self, phase: Phase) -> None:
        self.phase, self.steps = phase, 0


class PlaceExpert(GraspExpert):
    """Holds the block at its goal, lifting it no higher than it must."""

    CLEAR = 0.05  # m, of the block's centre while it travels

    def _waypoint(self) -> tuple[float, float, float]:
        x, y, z = self._block()
        tx, ty, tz = self._target()
        far = math.hypot(x - tx, y - ty)
        if far <= 0.02:
            return tx, ty, tz
        height = max(tz, self.CLEAR)
        return (tx, ty, height) if z > 0.04 else (x, y, height)


class InsertExpert(GraspExpert):
    """Waits until the peg is still and straight over the hole before it goes down."""

    GRASP_ABOVE = 0.03
    DEEPER = 0.009  # m, to aim below the goal, so that the peg is pressed in

    def _target(self) -> tuple[float, float, float]:
        return self.goal[0], self.goal[1], self.goal[2] - (self.DEEPER if self.lowering else 0.0)

    def _aligned(self, far: float) -> bool:
        slow = math.hypot(self.x[VELOCITY], self.x[VELOCITY + 1]) < 0.02
        return far < 0.0025 and abs(self._block_yaw()) < 0.05 and slow

    def _done(self) -> bool:
        x, y, z = self._block()
        return math.hypot(x - self.goal[0], y - self.goal[1]) < 0.006 and z < 0.06


class StackExpert(GraspExpert):
    """One block after the other, each let go once it rests on the one below."""

    def _target(self) -> tuple[float, float, float]:
        return self.goal[0], self.goal[1], self.goal[2] + stacked_height(self.index)

    def _done(self) -> bool:
        x, y, z = self._block()
        tx, ty, tz = self._target()
        return math.hypot(x - tx, y - ty) < 0.004 and abs(self.x[YAW]) < 0.05 and z < tz + 0.004


EXPERTS: dict[str, type[HandExpert]] = {
    "reach": ReachExpert,
    "push": PushExpert,
    "place": PlaceExpert,
    "insert": InsertExpert,
    "stack": StackExpert,
}


def _clip(value: float) -> float:
    return -1.0 if value < -1.0 else 1.0 if value > 1.0 else value


def _fold(angle: float, period: float) -> float:
    """The equal angle in [-period / 2, period / 2) of something that looks alike after every period."""
    return (angle + period / 2) % period - period / 2
