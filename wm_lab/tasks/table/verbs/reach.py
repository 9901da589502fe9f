"""*Reach above the green block.*"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wm_lab.tasks.hand.costs import COSTS, goal_state
from wm_lab.tasks.hand.experts import HandExpert, ReachExpert, Watched
from wm_lab.tasks.hand.state import PROPRIO, TCP
from wm_lab.tasks.table.verbs.verb import Number, Point, Verb

ABOVE = 0.08  # m, of the fingertips over the block's centre: clear of its top


class Reach(Verb):
    name = "reach"
    target = None
    frames = (
        "reach above {object}",
        "move above {object}",
        "go over to {object}",
        "bring the hand above {object}",
        "put the fingertips over {object}",
        "hold the gripper over {object}",
        "point at {object} from above",
        "wait above {object}",
        "move the hand over {object}",
    )
    new_frames = ("hover near {object}", "visit {object}")
    tolerance = 0.02
    tags = ("reach",)

    def goal(self, thing: Point, target: Point) -> Point:
        return thing[0], thing[1], thing[2] + ABOVE

    def solved(self, x: Sequence[Number], tolerance: float) -> Any:
        return (x[TCP] - x[-3]) ** 2 + (x[TCP + 1] - x[-2]) ** 2 + (x[TCP + 2] - x[-1]) ** 2 < tolerance**2

    def cost(self, x: Sequence[Number]) -> Number:
        return COSTS["reach"]([*x[:PROPRIO], *x[-3:]])

    def done(self, state: Tensor) -> Tensor:
        hand, block, goal = state.tensor_split([PROPRIO, -3], -1)
        return torch.cat([goal_state("reach", torch.cat([hand, goal], -1))[..., :PROPRIO], block, goal], -1)

    def expert(self, watched: Watched) -> HandExpert:
        return ReachExpert(watched)
