"""Where observed points lie to one another: differences, distances and angles, which rewards are made of."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn

from wm_lab.models.parts.images import is_image
from wm_lab.world_model import DataSpec

SAME_PLACE = 0.01
"""Decimetres: distances below a millimetre look alike, so that their gradient stays finite where two points meet."""
FAR_ENOUGH = 0.1
"""Decimetres: the direction to a point this near counts half, as it turns with every millimetre."""


class PairwiseGeometry(nn.Module):
    """Where observed points lie to one another, in decimetres, read off a latent that holds them.

    Differences and distances of all pairs, and the cosine of the angle at each point between each two others. Whether a
    finger touches a block is a matter of millimetres between two positions that differ by decimetres from episode to
    episode: a network finds that out of the differences much sooner than out of the positions. Distances are what most
    rewards are made of, and angles say who stands behind whom.
    """

    mean: Tensor
    std: Tensor
    first: Tensor
    second: Tensor
    corners: Tensor

    def __init__(self, spec: DataSpec):
        super().__init__()
        starts, offset = [], 0
        mean: list[float] = []
        std: list[float] = []
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            starts += [offset + start for start in spec.points.get(key, [])]
            offset += shape[0]
            mean += spec.mean.get(key, [0.0] * shape[0])
            std += spec.std.get(key, [1.0] * shape[0])
        self.index = [start + axis for start in starts for axis in range(3)]
        pairs = list(combinations(range(len(starts)), 2))
        self.register_buffer("first", torch.tensor([one for one, _ in pairs], dtype=torch.long), persistent=False)
        self.register_buffer("second", torch.tensor([two for _, two in pairs], dtype=torch.long), persistent=False)
        self.register_buffer("mean", torch.tensor(mean)[self.index] * 10, persistent=False)
        self.register_buffer("std", torch.tensor(std)[self.index] * 10, persistent=False)
        corners = [(at, *pair) for at in range(len(starts)) for pair in pairs if at not in pair]
        self.register_buffer("corners", torch.tensor(corners, dtype=torch.long).reshape(-1, 3).T, persistent=False)
        self.pairs = len(pairs)
        self.size = 4 * self.pairs + len(corners)

    def points(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., points, 3] in decimetres"""
        coordinates = torch.addcmul(self.mean, z[..., self.index], self.std)
        points: Tensor = coordinates.unflatten(-1, (-1, 3))
        return points

    def gaps(self, points: Tensor) -> Tensor:
        """[..., points, 3] -> [..., pairs, 3], in the same unit"""
        return points[..., self.first, :] - points[..., self.second, :]

    def forward(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., 4 * pairs + corners]"""
        points = self.points(z)
        gaps = self.gaps(points)
        at, one, other = (points[..., corner, :] for corner in self.corners)
        ways = torch.stack([one - at, other - at], -3)  # [..., 2, corners, 3]
        lengths = _length(ways) + FAR_ENOUGH
        cosines = (ways[..., 0, :, :] * ways[..., 1, :, :]).sum(-1) / lengths.prod(-2)
        return torch.cat([gaps.flatten(-2), _length(gaps), cosines], -1)


def _length(gaps: Tensor) -> Tensor:
    """[..., 3] -> [...]"""
    return (gaps.square().sum(-1) + SAME_PLACE**2).sqrt()
