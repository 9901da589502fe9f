"""*Put the yellow block on the red one.*"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from wm_lab.tasks.hand.costs import goal_state, manipulate
from wm_lab.tasks.hand.experts import HandExpert, StackExpert, Watched
from wm_lab.tasks.hand.goals import STACKED_WITHIN
from wm_lab.tasks.hand.scene import BLOCK_HALF
from wm_lab.tasks.table.verbs.verb import POSITION, Number, Point, Verb, aside


class Put(Verb):
    name = "put"
    target = "block"
    frames = (
        "put {object} on {target}",
        "put {object} on top of {target}",
        "stack {object} on {target}",
        "place {object} on {target}",
        "set {object} down on {target}",
        "lift {object} onto {target}",
        "pick up {object} and put it on {target}",
        "build a tower of {object} on {target}",
        "lay {object} on top of {target}",
    )
    new_frames = ("perch {object} atop {target}", "balance {object} upon {target}")
    held_out = frozenset({("blue", "green")})
    tolerance = 0.02
    tags = ("contact", "precise")

    def goal(self, thing: Point, target: Point) -> Point:
        return target[0], target[1], target[2] + 2 * BLOCK_HALF

    def solved(self, x: Sequence[Number], tolerance: float) -> Any:
        return (aside(x) < tolerance**2) & (abs(x[POSITION + 2] - x[-1]) < STACKED_WITHIN)

    def cost(self, x: Sequence[Number]) -> Number:
        return manipulate(x, "place", 0, BLOCK_HALF, grasp_above=0.0, clearance=0.06, corridor=0.015) / 2.0

    def done(self, state: Tensor) -> Tensor:
        return goal_state("place", state)

    def expert(self, watched: Watched) -> HandExpert:
        return StackExpert(watched)
