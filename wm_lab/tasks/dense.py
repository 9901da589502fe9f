"""Pieces of dense costs: about 1 at a typical start, about 0 at success, smooth everywhere. Lengths in metres."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = 0.25  # m, a typical way to go: distances are counted in it
ROUNDING = 0.002  # m, below which a distance turns from a cone into a bowl, to have a gradient at zero
APPROACH_RADIUS = 0.03  # m, how near to a thing before going down to it


def length(gap: Tensor) -> Tensor:
    """Euclidean norm [..., K] -> [...], smooth at zero."""
    return (gap.square().sum(-1) + ROUNDING**2).sqrt() - ROUNDING


def near(distance: Tensor, radius: float) -> Tensor:
    """1 at zero, a half at the radius, 0 far away."""
    return 1.0 / (1.0 + (distance / radius).square())


def push(tip: Tensor, thing: Tensor, goal: Tensor, behind: float) -> Tensor:
    """The thing's way to the goal, and the tip's way to the point that far behind it. Points [..., 3] -> [...]."""
    way = goal - thing
    far = length(way)
    back = way * (behind / (far + ROUNDING)).unsqueeze(-1)
    return (far + 0.15 * length(tip - thing + back)) / FAR


def carry(
    tip: Tensor, opening: Tensor, thing: Tensor, way: Tensor, *, held: float, above: float, radius: float
) -> Tensor:
    """Come over the thing with open fingers, go down around it, close, and take it along its `way` [...] to the goal.

    tip, thing: points [..., 3], of the fingertips and of where to grasp
    opening: of the fingers, 0 closed to 1 open; `held`: as it is with the thing between them
    above: how high to come in; radius: of the tip around the thing within which closing the fingers pays
    """
    beside = length(tip[..., :2] - thing[..., :2])
    height = tip[..., 2] - thing[..., 2] - above * (1.0 - near(beside, APPROACH_RADIUS))
    approach = length(join(beside, height))
    around = near(approach, radius)
    squeeze = 1.0 - (opening - held).abs() / (1.0 - held)
    handling = 0.4 * approach / FAR + 0.4 * (1.0 - around * squeeze) + 0.1 * (1.0 - around) * (1.0 - opening).abs()
    return (way / FAR + handling) / 2.0


def join(*parts: Tensor) -> Tensor:
    """K numbers [...] as one vector [..., K]."""
    return torch.stack(parts, -1)
