"""A distance that has a direction and whose ways add up, whatever its network says: d(x, x) = 0, d(x, z) <= d(x, y) +
d(y, z).

Interval quasimetric embeddings (IQE, Wang and Isola 2022, arXiv 2211.15120): of two embeddings u and v, the length of
the union of the intervals [u_i, max(u_i, v_i)] of each group of numbers; half the longest and half the mean of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wm_lab.models.parts.blocks import mlp

GROUPS, WIDE = 8, 8
"""Of an embedding, and the intervals in each."""


class Quasimetric(nn.Module):
    """Distances between points [..., inputs].

    Of few numbers, sines and cosines of these `frequencies` are read too: a wall between two places is a step, which a
    network of the places alone is slow to make (Tancik et al. 2020, arXiv 2006.10739).
    """

    frequencies: Tensor

    def __init__(self, inputs: int, units: int, frequencies: Sequence[float] = ()) -> None:
        super().__init__()
        self.embedding = mlp(inputs * (1 + 2 * len(frequencies)), units, 3, GROUPS * WIDE)
        self.register_buffer("frequencies", torch.tensor(frequencies), persistent=False)

    def forward(self, here: Tensor, there: Tensor) -> Tensor:
        """[..., inputs], [..., inputs] -> [...]"""
        return interval_distance(self.embed(here), self.embed(there))

    def embed(self, points: Tensor) -> Tensor:
        """[..., inputs] -> [..., GROUPS * WIDE]"""
        waves = (points[..., None] * self.frequencies).flatten(-2)
        embedded: Tensor = self.embedding(torch.cat([points, waves.sin(), waves.cos()], -1))
        return embedded


def interval_distance(u: Tensor, v: Tensor) -> Tensor:
    """[..., GROUPS * WIDE], likewise -> [...]"""
    starts = u.unflatten(-1, (GROUPS, WIDE))
    ends = torch.maximum(starts, v.unflatten(-1, (GROUPS, WIDE)))
    marks, order = torch.cat([starts, ends], -1).sort(-1)
    opened = torch.where(order < WIDE, 1, -1).cumsum(-1)  # intervals that are open after each mark
    length = (marks.diff(dim=-1) * (opened[..., :-1] > 0)).sum(-1)
    distance: Tensor = (length.amax(-1) + length.mean(-1)) / 2
    return distance
