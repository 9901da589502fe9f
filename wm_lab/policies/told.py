"""One observation to one vector, for a policy that is told what to do: it looks at what the sentence is about.

Where a state tells the places of things, the sentence points: `POINTERS` weighted means of all places, each of them
hardly more than one place once it has learned which. How these lie to one another is what the policy sees; so what it
learns of the red block it knows of the green one. In images the sentence turns features up and down before they become
points (FiLM, Perez et al. 2018, arXiv 1709.07871).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from wm_lab.policies.frame_encoder import CHANNELS, CLIP, FINE, FINE_CLIP, FINE_MOVE, FrameEncoder
from wm_lab.world_model import DataSpec

POINTERS = 4
"""Places that a sentence points at: who, what, where to, and one to spare."""

NEAR = 0.01
"""Decimetres, added to lengths so that their gradient stays finite where two places meet."""


class ToldEncoder(FrameEncoder):
    """{key: [..., *shape]} and sentences [..., W] -> [..., size]."""

    first: Tensor
    second: Tensor

    def __init__(self, spec: DataSpec, image_features: int, width: int) -> None:
        super().__init__(spec, image_features)
        places = len(self.geometry.index) // 3
        count = min(POINTERS, places)
        pairs = list(combinations(range(count), 2))
        self.register_buffer("first", torch.tensor([one for one, _ in pairs], dtype=torch.long), persistent=False)
        self.register_buffer("second", torch.tensor([two for _, two in pairs], dtype=torch.long), persistent=False)
        self.count = count
        self.pointer = nn.Linear(width, count * places) if count else None
        self.film = nn.ModuleDict({key: nn.Linear(width, 2 * CHANNELS) for key in self.images})
        self.size = len(self.mean) + image_features * len(self.images) + 3 * count + (4 + 3 * len(FINE)) * len(pairs)

    @property
    def move_size(self) -> int:
        return 3 * self.count

    def look(self, observation: Mapping[str, Tensor], told: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [..., size], and the places pointed at in them [..., pointers, 3]."""
        parts = [net(observation[key], self.film[key](told)) for key, net in self.images.items()]
        if self.vectors:
            parts.append(self._normalised(observation).clamp(-CLIP, CLIP))
        points = self._pointed(observation, told)
        if self.count:
            gaps = points[..., self.first, :] - points[..., self.second, :]  # [..., pairs, 3]
            lengths = (gaps.square().sum(-1) + NEAR**2).sqrt()
            parts += [points.flatten(-2), gaps.flatten(-2), lengths]
            parts += [(gaps / unit).clamp(-FINE_CLIP, FINE_CLIP).flatten(-2) for unit in FINE]
        return torch.cat(parts, -1), points

    def _pointed(self, observation: Mapping[str, Tensor], told: Tensor) -> Tensor:
        """What sentences [..., W] point at, [..., pointers, 3] in decimetres; none where no places are known."""
        if self.pointer is None:
            return told.new_zeros(*told.shape[:-1], 0, 3)
        points = self.geometry.points(self._normalised(observation))  # [..., places, 3]
        weights = self.pointer(told).unflatten(-1, (self.count, -1)).softmax(-1)
        selected: Tensor = weights @ points
        return selected

    def moves(self, points: Tensor) -> Tensor:
        moved = points.diff(dim=-3) / FINE_MOVE
        return moved.clamp(-FINE_CLIP, FINE_CLIP).flatten(-3)
