"""Where observed points lie to one another: differences, distances and angles, which rewards are made of."""

from __future__ import annotations

from collections.abc import Sequence
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

    mean: Tensor  # [points * 3], of the coordinates, as `std`
    std: Tensor
    coordinates: Tensor  # [points * 3], where they stand in z
    ends: Tensor  # [(pairs + 2 * corners) * 3], the coordinate that each gap leads to: of pairs, then of corners' ways
    starts: Tensor  # of the same shape, the coordinate that it leads from

    def __init__(self, spec: DataSpec):
        super().__init__()
        places, offset = [], 0
        mean: list[float] = []
        std: list[float] = []
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            places += [offset + start for start in spec.points.get(key, [])]
            offset += shape[0]
            mean += spec.mean.get(key, [0.0] * shape[0])
            std += spec.std.get(key, [1.0] * shape[0])
        self.index = [place + axis for place in places for axis in range(3)]
        pairs = list(combinations(range(len(places)), 2))
        corners = [(at, *pair) for at in range(len(places)) for pair in pairs if at not in pair]
        self.pairs, self.corners = len(pairs), len(corners)
        self.size = 4 * self.pairs + self.corners
        # Selected along one flat axis: any other indexing makes the backward pass several times as long.
        gaps = [*pairs, *((one, at) for at, one, _ in corners), *((other, at) for at, _, other in corners)]
        self._keep("coordinates", self.index, torch.long)
        self._keep("ends", [3 * to + axis for to, _ in gaps for axis in range(3)], torch.long)
        self._keep("starts", [3 * at + axis for _, at in gaps for axis in range(3)], torch.long)
        self._keep("mean", [mean[at] for at in self.index])
        self._keep("std", [std[at] for at in self.index])
        self.mean, self.std = self.mean * 10, self.std * 10

    def _keep(self, name: str, numbers: Sequence[float], kind: torch.dtype = torch.float32) -> None:
        self.register_buffer(name, torch.tensor(numbers, dtype=kind), persistent=False)

    def points(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., points, 3] in decimetres"""
        points: Tensor = self._points(z).unflatten(-1, (-1, 3))
        return points

    def gaps(self, points: Tensor) -> Tensor:
        """[..., points, 3] -> [..., pairs, 3], in the same unit"""
        pairs = 3 * self.pairs
        gaps: Tensor = _between(points.flatten(-2), self.starts[:pairs], self.ends[:pairs]).unflatten(-1, (-1, 3))
        return gaps

    def forward(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., 4 * pairs + corners]"""
        flat = _between(self._points(z), self.starts, self.ends)
        ways = flat.unflatten(-1, (-1, 3))  # [..., pairs + 2 * corners, 3]
        lengths = _length(ways)
        if not self.corners:
            return torch.cat([flat, lengths], -1)
        parts = [self.pairs, self.corners, self.corners]
        (_, one, other), (between, near, far) = ways.split(parts, -2), lengths.split(parts, -1)
        cosines = (one * other).sum(-1) / ((near + FAR_ENOUGH) * (far + FAR_ENOUGH))
        return torch.cat([flat[..., : 3 * self.pairs], between, cosines], -1)

    def _points(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., points * 3] in decimetres"""
        return torch.addcmul(self.mean, z.index_select(-1, self.coordinates), self.std)


def _between(points: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
    """Ways between coordinates [..., C]: those at `starts` to those at `ends`."""
    return points.index_select(-1, ends) - points.index_select(-1, starts)


def _length(gaps: Tensor) -> Tensor:
    """[..., 3] -> [...]"""
    return (gaps.square().sum(-1) + SAME_PLACE**2).sqrt()
