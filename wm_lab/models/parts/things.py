"""What the robot does to things that lie about, by one network for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.domains import Amount
from wm_lab.models.parts.blocks import mlp, zero
from wm_lab.models.parts.geometry import SAME_PLACE
from wm_lab.models.parts.images import is_image
from wm_lab.world_model import DataSpec

REVISION = 1
"""Of how things are moved: models of other revisions have other names in the store."""

POSE = 7  # numbers of a thing: x, y, z in m and a quaternion


class Thing(NamedTuple):
    """Where numbers of a thing stand in a vector: its position and its quaternion, and the 1 of its presence."""

    position: int
    rotation: int
    present: int

    @property
    def pose(self) -> list[int]:
        return [*range(self.position, self.position + 3), *range(self.rotation, self.rotation + 4)]


class Located(Protocol):
    """Of a `DataSpec`: where positions stand in each vector, and their rotations and presences; -1: none does."""

    @property
    def points(self) -> Mapping[str, Sequence[int]]: ...
    @property
    def rotations(self) -> Mapping[str, Sequence[int]]: ...
    @property
    def present(self) -> Mapping[str, Sequence[int]]: ...


def things_in(located: Located, key: str) -> list[Thing]:
    """All in one vector that have a pose and may be absent: things of one kind, of which each has a slot."""
    return [thing for thing in _placed(located, key) if min(thing) >= 0]


def _placed(located: Located, key: str) -> list[Thing]:
    """Every position in one vector; what was written before rotations and presences were told has none."""
    points = located.points.get(key, [])
    others = (of.get(key, [-1] * len(points)) for of in (located.rotations, located.present))
    return [Thing(*place) for place in zip(points, *others, strict=True)]


@dataclass
class ThingsConfig:
    """Of families whose next vectors are predicted and then corrected."""

    thing_units: Amount = 128
    """Of each layer of a network that says for all things of a scene alike what the robot does to them, where data tell
    which of them are there; 0: none."""

    LATER: ClassVar[tuple[str, ...]] = ("thing_units",)


def thing_dynamics(spec: DataSpec, units: int) -> ThingDynamics | None:
    """None where there are no such things, or nobody asks for them."""
    some = any(things_in(spec, key) for key, shape in spec.observation.items() if not is_image(shape))
    return ThingDynamics(spec, units) if units and some else None


class ThingDynamics(nn.Module):
    """Corrects a prediction of normalised vectors by how each thing is moved in one step.

    In data of several things each is moved in its share of the episodes alone, and a network that reads the whole state
    learns for each of them anew what a push does. Here all are moved by one network, which sees one thing at a time:
    its pose, where it lies to the robot, and what the robot does (the object-centric half of Interaction Networks,
    Battaglia et al. 2016, arXiv 1612.00222, §2). It does not see other things: how they meet is left to whatever
    corrects the prediction further. Untrained it changes nothing, nor does it ever move what is absent.
    """

    poses: Tensor  # [K * 7], where they stand in z
    present: Tensor  # [K]
    robot: Tensor  # [R], numbers that change in an episode and are no thing's
    ends: Tensor  # [P * 3], places of the robot
    mean: Tensor  # [V], as `std`
    std: Tensor
    unit: Tensor  # [K * 7], an ordinary step of a thing

    def __init__(self, spec: DataSpec, units: int, layers: int = 2):
        super().__init__()
        things: list[Thing] = []
        ends: list[int] = []
        mean: list[float] = []
        std: list[float] = []
        change: list[float] = []
        moves: list[bool] = []
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            offset, width = len(mean), shape[0]
            things += [Thing(*(offset + at for at in thing)) for thing in things_in(spec, key)]
            always = [place.position for place in _placed(spec, key) if place.present < 0]
            ends += [offset + at + axis for at in always for axis in range(3)]
            mean += spec.mean.get(key, [0.0] * width)
            std += spec.std.get(key, [1.0] * width)
            change += spec.std_change.get(key, [1.0] * width)
            moves += spec.changes.get(key, [True] * width)
        theirs = {at for thing in things for at in thing.pose}
        robot = [at for at, moving in enumerate(moves) if moving and at not in theirs]
        poses = [at for thing in things for at in thing.pose]
        # One unit for all: how often one of them happens to be moved is no matter of what a push does to it.
        ordinary = torch.tensor(change)[poses].unflatten(0, (-1, POSE)).mean(0).repeat(len(things))
        present = [thing.present for thing in things]
        for name, index in {"poses": poses, "present": present, "robot": robot, "ends": ends}.items():
            self.register_buffer(name, torch.tensor(index, dtype=torch.long), persistent=False)
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        self.register_buffer("unit", ordinary / self.std[self.poses], persistent=False)
        inputs = len(robot) + spec.action_size + 4 * (len(ends) // 3) + 1 + 4
        self.net = mlp(inputs, units, layers, POSE)
        zero(self.net[-1])

    def forward(self, prediction: Tensor, z: Tensor, action: Tensor) -> Tensor:
        """The prediction [..., Z] of what follows z [..., Z] and action [..., A], with all things moved."""
        width = len(self.mean)
        x = z[..., :width] * self.std + self.mean
        position, turned = x[..., self.poses].unflatten(-1, (-1, POSE)).split([3, 4], -1)  # [..., K, 3], [..., K, 4]
        gap = 10 * (position[..., None, :] - x[..., None, self.ends].unflatten(-1, (-1, 3)))  # [..., K, P, 3] in dm
        far = F.pad(gap, (0, 1), value=SAME_PLACE).norm(dim=-1, keepdim=True)
        acts = torch.cat([z[..., self.robot], action], -1)[..., None, :].expand(*turned.shape[:-1], -1)
        sees = torch.cat([acts, gap.flatten(-2), far.flatten(-2), 10 * position[..., 2:], turned], -1)
        moved = self.net(sees) * (x[..., self.present, None] > 0.5)  # [..., K, 7] in ordinary steps
        return prediction.index_add(-1, self.poses, moved.flatten(-2) * self.unit)
