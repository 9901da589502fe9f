"""Dense costs of Meta-World's fifty tasks, and what is known of how they rank states.

A cost should fall all the way that the library's own policy goes, to nearly nothing where the library says "solved",
and rank states as the library's reward does. The library measures success from points of its own, which its
observations do not hold: so what is near the goal when a task is solved is a point at a fixed distance from the thing
that is seen, read off solved episodes (to a centimetre). `scripts/metaworld_costs.py` measures all of it.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from wm_lab.tasks import dense

HAND, OPENING, THING, OTHER, GOAL = slice(0, 3), 3, slice(4, 7), slice(11, 14), slice(-3, None)
"""Where a state holds them; lengths are in metres."""

FINGERTIPS = (0.0, 0.0, -0.045)
"""From what the library calls the hand."""

HEAD = (-0.13, 0.0, -0.01)
"""From where the peg is grasped to its head; the wrench's ring lies as far from its handle."""

NEAR_GRASP = 0.02
"""Of the fingertips around a thing: closing them pays within."""

Cost = Callable[[Tensor], Tensor]
Vector = tuple[float, float, float]
HERE: Vector = (0.0, 0.0, 0.0)


def guess(x: Tensor) -> Tensor:
    """For tasks that nobody has written a cost for: hand to thing, and thing to goal."""
    return (dense.length(x[..., THING] - x[..., GOAL]) + 0.3 * dense.length(x[..., HAND] - x[..., THING])) / dense.FAR


def reach(x: Tensor) -> Tensor:
    return dense.length(x[..., HAND] - x[..., GOAL]) / dense.FAR


def insert(x: Tensor) -> Tensor:
    """The peg's head to the hole, off its axis counting double as it does for success, from a step in front of it."""
    gap = x[..., THING] + x.new_tensor(HEAD) - x[..., GOAL]
    aside = dense.length(gap[..., 1:])
    front = 0.1 * (1.0 - dense.near(aside, 0.03))
    return _take(x, dense.length(dense.join(gap[..., 0] - front, 2.0 * aside)), held=0.3)


def assemble(x: Tensor) -> Tensor:
    """The wrench's ring over the top of the peg, and then down."""
    gap = x[..., THING] + x.new_tensor(HEAD) - x[..., GOAL]
    aside = dense.length(gap[..., :2])
    above = 0.08 * (1.0 - dense.near(aside, 0.02)) - 0.02
    return _take(x, dense.length(dense.join(aside, gap[..., 2] - above)), held=0.49)


def work(at: Vector, rest: Vector = HERE) -> Cost:
    """Push, pull or turn a thing.

    at: where the fingertips stand, from the thing, while they work
    rest: where the thing stands, from the goal, when it is solved
    """

    def cost(x: Tensor) -> Tensor:
        way = dense.length(x[..., THING] - x[..., GOAL] - x.new_tensor(rest))
        return (way + 0.3 * dense.length(_tips(x) - x[..., THING] - x.new_tensor(at))) / dense.FAR

    return cost


def take(held: float, at: Vector = HERE, rest: Vector = HERE) -> Cost:
    """Grasp a thing and carry it; `held`: opening of the fingers around it; `at`, `rest`: as of `work`."""

    def cost(x: Tensor) -> Tensor:
        return _take(x, dense.length(x[..., THING] - x[..., GOAL] - x.new_tensor(rest)), held, at)

    return cost


def use(held: float, at: Vector, head: Vector, rest: Vector = HERE) -> Cost:
    """Grasp a tool, bring its head to another thing, and move that with it.

    at: of the fingertips, from the tool
    head: from where the tool is seen to what touches the other thing, where that is seen
    rest: where the other thing stands, from the goal, when it is solved
    """

    def cost(x: Tensor) -> Tensor:
        gap = x[..., THING] + x.new_tensor(head) - x[..., OTHER]
        left = x[..., OTHER] - x[..., GOAL] - x.new_tensor(rest)
        return _take(x, dense.length(gap) + dense.length(left), held, at)

    return cost


def _tips(x: Tensor) -> Tensor:
    return x[..., HAND] + x.new_tensor(FINGERTIPS)


def _take(x: Tensor, way: Tensor, held: float, at: Vector = HERE) -> Tensor:
    tip = _tips(x) - x.new_tensor(at)
    return dense.carry(tip, x[..., OPENING], x[..., THING], way, held=held, above=0.06, radius=NEAR_GRASP)


COSTS: dict[str, Cost] = {
    "reach-v3": reach,
    "reach-wall-v3": reach,
    "peg-insert-side-v3": insert,
    "assembly-v3": assemble,
    "dial-turn-v3": work(at=(0.04, 0.0, 0.05), rest=(-0.05, -0.03, -0.03)),
    "disassemble-v3": work(at=(-0.01, 0.0, 0.0), rest=(0.12, 0.02, 0.03)),
    "door-lock-v3": work(at=(0.0, -0.02, 0.03), rest=(0.04, 0.0, 0.02)),
    "door-unlock-v3": work(at=(-0.04, -0.02, -0.1), rest=(-0.01, 0.0, -0.01)),
    "drawer-close-v3": work(at=FINGERTIPS, rest=(0.0, -0.02, 0.05)),
    "hammer-v3": use(held=0.51, at=(-0.02, 0.0, 0.01), head=(0.16, 0.09, -0.01)),
    "hand-insert-v3": take(held=0.47, at=(0.01, -0.01, 0.01)),
    "handle-pull-side-v3": work(at=(0.0, 0.0, -0.01), rest=(-0.05, 0.0, -0.06)),
    "handle-pull-v3": work(at=(0.01, -0.04, -0.02), rest=(0.05, 0.0, -0.05)),
    "peg-unplug-side-v3": work(at=(-0.01, 0.0, 0.0), rest=(-0.04, 0.0, -0.03)),
    "plate-slide-back-side-v3": take(held=0.3, at=(0.02, 0.0, 0.01), rest=(-0.04, 0.0, 0.0)),
    "stick-pull-v3": use(held=0.4, at=(-0.01, -0.01, -0.01), head=(0.03, 0.01, 0.01), rest=(0.0, 0.02, 0.11)),
    "stick-push-v3": use(held=0.38, at=(0.02, -0.01, 0.0), head=(0.11, -0.01, 0.04), rest=(-0.1, 0.01, 0.0)),
    "window-close-v3": work(at=FINGERTIPS, rest=(0.03, -0.1, 0.0)),
    "window-open-v3": work(at=FINGERTIPS, rest=(-0.04, -0.09, 0.0)),
}
"""Of all others, and of tasks that the library may add: `guess`."""

REVISION = 2
"""Of the costs that were mended: rewards of data that were collected before are others."""

MENDED = frozenset(COSTS) - {"reach-v3", "reach-wall-v3", "peg-insert-side-v3", "assembly-v3"}

CAUTIONS = {
    "drawer-close-v3": (0.93, 0.92, 0.73),
    "lever-pull-v3": (0.56, 0.88, 1.0),
    "pick-out-of-hole-v3": (0.73, 0.55, 0.92),
    "pick-place-v3": (1.0, 0.46, 1.0),
    "shelf-place-v3": (0.99, 0.44, 0.99),
    "stick-pull-v3": (0.62, 0.56, 0.93),
    "stick-push-v3": (0.97, 0.5, 1.0),
}
"""Costs that may mislead, for one of three rank correlations is below .6, or of the third below .8: with the library's
reward in episodes of its policy, with it in noisy ones, and with the time on the policy's way to success."""


def caution(name: str) -> str:
    """What a run says before it plans by such a cost; empty for the others."""
    if name not in CAUTIONS:
        return ""
    shown, noisy, falls = CAUTIONS[name]
    return (
        f"metaworld/{name}: the cost, which is also the reward, may mislead plans: it ranks states like the library's "
        f"reward with ρ {shown:.2f} in its policy's episodes and {noisy:.2f} in noisy ones, and falls on the policy's "
        f"way with ρ {falls:.2f} (docs/tasks.md has all fifty)."
    )
