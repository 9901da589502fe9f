"""What lies on the table, and where it stands in a state of D numbers.

| numbers | name             | unit                                                                          |
|---------|------------------|-------------------------------------------------------------------------------|
| 0:25    | as of the hand   | joints, velocity, setpoint, tcp (`wm_lab.tasks.hand.state`)                   |
| 3 each  | block positions  | m, one slot a colour                                                          |
| 4 each  | block rotations  | quaternion w, x, y, z                                                         |
| 3 each  | zone positions   | m, one slot a colour                                                          |
| 1 each  | present          | 1 or 0, blocks and then zones; all other numbers of what is absent are 0      |
| last    | command          | what is asked: 1 at the verb, at the object, and at the block or zone it goes to |

The numbers before the command are the *scene*: who sees no more than these has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wm_lab.tasks.hand.scene import BLOCK_HALF
from wm_lab.tasks.hand.state import JOINTS, POSITIONS, SETPOINTS, TCP, VELOCITY, Layout
from wm_lab.tasks.task import Variable


class Color(NamedTuple):
    name: str
    rgba: str


BLOCKS = (
    Color("red", ".95 .16 .13 1"),
    Color("green", ".2 .82 .26 1"),
    Color("blue", ".15 .38 1 1"),
    Color("yellow", ".98 .85 .1 1"),
)
ZONES = (Color("blue", ".3 .5 1 1"), Color("white", ".95 .95 .95 1"), Color("purple", ".62 .25 .8 1"))
THINGS = len(BLOCKS) + len(ZONES)
"""What an object may go to: a block, or a zone, counted after the blocks."""

ZONE_RADIUS = 0.045  # m
PARKED = 3.0  # m, how far behind the table absent blocks lie; absent zones are as far beneath it

PRESENT = slice(2 * len(ZONES), 2 * len(ZONES) + THINGS)
ASKED = slice(PRESENT.stop, PRESENT.stop + 3)
TOLD = slice(ASKED.stop, ASKED.stop + 4)
GOAL_SIZE = TOLD.stop
"""Numbers of a goal: x and y of each zone, who is present, the command, and the command and phrasing that were told."""

NOTHING = -1
"""In the place of an object's target: it goes nowhere; of what was told: nothing was."""


class Command(NamedTuple):
    """What to do: numbers of a verb, of a block, and of the block or zone that it goes to (`NOTHING`: nowhere)."""

    verb: int
    object: int
    target: int


@dataclass(frozen=True)
class TableLayout:
    """Where things are in states; physics is that of a scene with all blocks, absent ones among them."""

    verbs: int

    @property
    def zones(self) -> int:
        return POSITIONS + 7 * len(BLOCKS)

    @property
    def present(self) -> int:
        return self.zones + 3 * len(ZONES)

    @property
    def scene(self) -> int:
        """Numbers of the scene."""
        return self.present + THINGS

    @property
    def object(self) -> int:
        return self.scene + self.verbs

    @property
    def target(self) -> int:
        return self.object + len(BLOCKS)

    @property
    def size(self) -> int:
        return self.target + THINGS

    def position(self, thing: int) -> int:
        """Of a block, or of a zone counted after the blocks."""
        zone = thing - len(BLOCKS)
        return POSITIONS + 3 * thing if zone < 0 else self.zones + 3 * zone

    def rotation(self, block: int) -> int:
        return POSITIONS + 3 * len(BLOCKS) + 4 * block

    @property
    def alike(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Blocks, and zones: but for their colours, which are only told, one is as another."""
        blocks = [
            (
                *range(self.position(block), self.position(block) + 3),
                *range(self.rotation(block), self.rotation(block) + 4),
                self.present + block,
                self.object + block,
                self.target + block,
            )
            for block in range(len(BLOCKS))
        ]
        zones = [
            (*range(self.position(zone), self.position(zone) + 3), self.present + zone, self.target + zone)
            for zone in range(len(BLOCKS), THINGS)
        ]
        return tuple(blocks), tuple(zones)

    def observe(self, physics: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """[..., P], [..., G] -> [..., D] float32; an exact function of both."""
        state = np.zeros((*physics.shape[:-1], self.size), np.float32)
        hand = ALL_BLOCKS.observe(physics, np.zeros(3))
        state[..., : self.zones] = hand[..., : self.zones]
        goal = np.broadcast_to(goal, (*physics.shape[:-1], GOAL_SIZE))
        here = goal[..., PRESENT]
        for block in range(len(BLOCKS)):
            at, turned = self.position(block), self.rotation(block)
            state[..., at : at + 3] *= here[..., block, None]
            state[..., turned : turned + 4] *= here[..., block, None]
        for zone in range(len(ZONES)):
            at = self.position(len(BLOCKS) + zone)
            state[..., at : at + 2] = goal[..., 2 * zone : 2 * zone + 2] * here[..., len(BLOCKS) + zone, None]
        state[..., self.present : self.scene] = here
        verb, thing, target = (goal[..., at] for at in range(ASKED.start, ASKED.stop))
        state[..., self.scene : self.object] = verb[..., None] == np.arange(self.verbs)
        state[..., self.object : self.target] = thing[..., None] == np.arange(len(BLOCKS))
        state[..., self.target :] = target[..., None] == np.arange(THINGS)
        return state

    def pose(self, state: np.ndarray, physics: np.ndarray) -> None:
        """Write what a state [D] tells into physics [P]; absent blocks lie where they are parked."""
        ALL_BLOCKS.pose(np.concatenate([state[: self.zones], np.zeros(3)]), physics)
        for block in range(len(BLOCKS)):
            if state[self.present + block] < 0.5:
                at = 1 + JOINTS + 7 * block
                physics[at : at + 3] = parked(block)[:3]

    def goal_of(self, state: np.ndarray) -> np.ndarray:
        """What a state [D] tells of its goal [G], as if it had been told in the first of all ways."""
        goal = np.empty(GOAL_SIZE)
        for zone in range(len(ZONES)):
            at = self.position(len(BLOCKS) + zone)
            goal[2 * zone : 2 * zone + 2] = state[at : at + 2]
        goal[PRESENT] = state[self.present : self.scene] > 0.5
        verb, thing = state[self.scene : self.object].argmax(), state[self.object : self.target].argmax()
        target = state[self.target :]
        goal[ASKED] = verb, thing, target.argmax() if target.max() > 0.5 else NOTHING
        goal[TOLD] = *goal[ASKED], 0
        return goal

    def variables(self, tolerance: float) -> tuple[Variable, ...]:
        """The named pieces; success depends on where the blocks are."""
        velocity = VELOCITY + JOINTS
        pieces = [
            Variable("joints", 0, JOINTS, "m, rad"),
            Variable("velocity", VELOCITY, velocity, "m/s, rad/s"),
            Variable("setpoint", velocity, velocity + SETPOINTS, "m, rad"),
            Variable("tcp", TCP, TCP + 3, "m", tolerance),
        ]
        for number, (name, _) in enumerate(BLOCKS):
            at, turned = self.position(number), self.rotation(number)
            pieces.append(Variable(f"{name}_block", at, at + 3, "m", tolerance))
            pieces.append(Variable(f"{name}_block_rotation", turned, turned + 4, "quaternion"))
        for number, (name, _) in enumerate(ZONES, len(BLOCKS)):
            at = self.position(number)
            pieces.append(Variable(f"{name}_zone", at, at + 3, "m"))
        names = [*(f"{color.name}_block" for color in BLOCKS), *(f"{color.name}_zone" for color in ZONES)]
        pieces += [Variable(f"{name}_present", at, at + 1, "0 or 1") for at, name in enumerate(names, self.present)]
        pieces.append(Variable("command", self.scene, self.size, "0 or 1"))
        return tuple(pieces)


ALL_BLOCKS = Layout(len(BLOCKS))


def parked(block: int) -> tuple[float, float, float, float]:
    """Where an absent block lies: x, y, z in m and yaw in rad."""
    return 0.2 * block, PARKED, BLOCK_HALF, 0.0
