"""*Push the red block to the blue zone.*"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from wm_lab.tasks.hand.costs import COSTS, goal_state
from wm_lab.tasks.hand.experts import HandExpert, PushExpert, Watched
from wm_lab.tasks.hand.scene import BLOCK_HALF
from wm_lab.tasks.table.verbs.verb import Number, Point, Verb, aside

LANE = 0.065  # m, from the way of the block to other blocks: they are not taken along
RUN_UP = 0.075  # m, behind the block, where the fingers come down


class Pusher(PushExpert):
    """Leaves the block well within the zone: who pushes on to the centre often pushes it out again."""

    ARRIVED, ASTRAY = 0.02, 0.028


class Push(Verb):
    name = "push"
    target = "zone"
    frames = (
        "push {object} to {target}",
        "push {object} into {target}",
        "slide {object} to {target}",
        "move {object} onto {target}",
        "bring {object} to {target}",
        "shove {object} over to {target}",
        "get {object} into {target}",
        "take {object} to {target} by pushing it",
        "{object} goes to {target}",
    )
    new_frames = ("nudge {object} until it rests on {target}", "deliver {object} to {target}")
    held_out = frozenset({("green", "blue")})
    tolerance = 0.03
    tags = ("contact",)

    def goal(self, thing: Point, target: Point) -> Point:
        return target[0], target[1], target[2] + BLOCK_HALF

    def solved(self, x: Sequence[Number], tolerance: float) -> Any:
        return aside(x) < tolerance**2

    def cost(self, x: Sequence[Number]) -> Number:
        return COSTS["push"](x)

    def done(self, state: Tensor) -> Tensor:
        return goal_state("push", state)

    def expert(self, watched: Watched) -> HandExpert:
        return Pusher(watched)

    def clear(self, thing: tuple[float, float], target: tuple[float, float], others: list[tuple[float, float]]) -> bool:
        way = math.dist(thing, target)
        ux, uy = (target[0] - thing[0]) / way, (target[1] - thing[1]) / way
        for x, y in others:
            ahead = (x - thing[0]) * ux + (y - thing[1]) * uy
            nearest = min(max(ahead, -RUN_UP), way)
            if math.dist((x, y), (thing[0] + nearest * ux, thing[1] + nearest * uy)) < LANE:
                return False
        return True
