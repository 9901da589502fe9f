"""Factors of variation: what may look or weigh otherwise than in the training data, and by how much.

Training data always have the values of `TRAIN`, so that one model, trained once, answers for all variations. What is
held out lies beyond a gap on either side: no held-out episode looks or moves as if nothing had been varied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wm_lab.domains import Starts
from wm_lab.errors import unknown

NONE = "none"
REVISION = 1  # of the factors: results of different revisions do not compare
STREAM = 0x5EED  # keeps factors independent of the start that the same seed draws


class Factors(NamedTuple):
    """One world. The defaults are those of all training data."""

    hue: float = 0.0  # degrees by which all colours turn around grey
    light: float = 1.0  # times the brightness
    turn: float = 0.0  # degrees by which the camera goes around what it looks at
    zoom: float = 1.0  # times the camera's field of view
    friction: float = 1.0  # times the friction of contacts, and of the joints of what is moved
    mass: float = 1.0  # times the mass and inertia of what is moved
    width: float = 1.0  # times the footprint of what is moved, not its height: it stands where it stood


TRAIN = Factors()

Ranges = tuple[tuple[float, float], tuple[float, float]]
"""Below and above the value in training."""

HELD_OUT: dict[str, dict[str, Ranges]] = {
    "visual": {
        "hue": ((-60.0, -25.0), (25.0, 60.0)),
        "light": ((0.5, 0.75), (1.2, 1.4)),
        "turn": ((-20.0, -8.0), (8.0, 20.0)),
        "zoom": ((0.85, 0.94), (1.06, 1.15)),
    },
    "physics": {
        "friction": ((0.4, 0.7), (1.4, 2.0)),
        "mass": ((0.4, 0.7), (1.4, 2.0)),
        "width": ((0.8, 0.92), (1.08, 1.2)),
    },
}


@dataclass
class EvaluationConfig:
    """The world that models and policies are judged in."""

    variation: str = NONE
    """none, visual (colours, light, camera) or physics (friction, mass, size): held-out factors of each frozen episode,
    drawn from its seed. Training data never vary."""
    offset: Starts = 0
    """Frozen episodes that are passed over: other starts than the published ones, and nobody has learnt from them."""

    def __post_init__(self) -> None:
        if self.variation not in (NONE, *HELD_OUT):
            raise unknown("evaluation.variation", self.variation, (NONE, *HELD_OUT))


def draw(kind: str, seed: int) -> Factors:
    """The held-out factors of the episode with this seed: each in one of its two ranges, whatever the others are."""
    random = np.random.default_rng((STREAM, seed))
    drawn = {name: random.uniform(*ranges[random.integers(2)]) for name, ranges in HELD_OUT[kind].items()}
    return TRAIN._replace(**drawn)


def describe(kind: str) -> dict[str, Any]:
    """What a task's specification, and with it the hash of a manifest, says of its variation."""
    return {"kind": kind, "revision": REVISION, "held_out": HELD_OUT[kind]}
