"""One observation to one vector, for a policy that is told what to do: it looks at what the sentence is about.

Where a state tells the places of things, the sentence points: `POINTERS` weighted means of all places, each of them
hardly more than one place once it has learned which. How these lie to one another, and how they are turned, is what the
policy sees of places; so what it learns of the red block it knows of the green one. In images the sentence turns
features up and down before they become points (FiLM, Perez et al. 2018, arXiv 1709.07871).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from wm_lab.models.parts.images import is_image
from wm_lab.policies.frame_encoder import CHANNELS, CLIP, FINE, FINE_CLIP, FINE_MOVE, FrameEncoder
from wm_lab.world_model import DataSpec

POINTERS = 4
"""Places that a sentence points at: who, what, where to, and one to spare."""

SHARPNESS = 2.0
"""Times a linear map of a sentence, so that a few hundred steps of training tell places apart. At 6 a pointer can
settle on a wrong place before it has learned which is right, and stay there: one clone never went to the blue block."""

NEAR = 0.01
"""Decimetres, added to lengths so that their gradient stays finite where two places meet."""


class ToldEncoder(FrameEncoder):
    """{key: [..., *shape]} and sentences [..., W] -> [..., size]."""

    first: Tensor
    second: Tensor
    other: Tensor
    turned: Tensor
    has_turned: Tensor

    def __init__(self, spec: DataSpec, image_features: int, width: int) -> None:
        super().__init__(spec, image_features)
        rotations = _rotations(spec)
        count = min(POINTERS, len(rotations))
        self.count = count
        self.pointer = nn.Linear(width, count * len(rotations)) if count else None
        self.film = nn.ModuleDict({key: nn.Linear(width, 2 * CHANNELS) for key in self.images})
        pairs = list(combinations(range(count), 2))
        quaternions = [start + part for start in rotations if start >= 0 for part in range(4)]
        taken = {*self.geometry.index, *quaternions}
        for name, numbers in {
            "first": [one for one, _ in pairs],
            "second": [two for _, two in pairs],
            "other": [number for number in range(len(self.mean)) if number not in taken],  # than places and rotations
            "turned": [max(start, 0) + part for start in rotations for part in range(4)],
            "has_turned": [int(start >= 0) for start in rotations],
        }.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.long), persistent=False)
        self.size = len(self.other) + image_features * len(self.images) + 7 * count + (4 + 3 * len(FINE)) * len(pairs)

    @property
    def move_size(self) -> int:
        return 3 * self.count

    def look(self, observation: Mapping[str, Tensor], told: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [..., size], and the places pointed at in them [..., pointers, 3] in decimetres."""
        parts = [net(observation[key], self.film[key](told)) for key, net in self.images.items()]
        points = told.new_zeros(*told.shape[:-1], 0, 3)
        if self.vectors:
            vector = self._normalised(observation)
            parts.append(vector[..., self.other].clamp(-CLIP, CLIP))
            if self.pointer is not None:
                weights = (SHARPNESS * self.pointer(told)).unflatten(-1, (self.count, -1)).softmax(-1)
                points = weights @ self.geometry.points(vector)
                raw = torch.addcmul(self.mean, vector, self.std)
                turned = raw[..., self.turned].unflatten(-1, (-1, 4)) * self.has_turned[:, None]
                gaps = points[..., self.first, :] - points[..., self.second, :]  # [..., pairs, 3]
                lengths = (gaps.square().sum(-1) + NEAR**2).sqrt()
                parts += [points.flatten(-2), (weights @ turned).flatten(-2), gaps.flatten(-2), lengths]
                parts += [(gaps / unit).clamp(-FINE_CLIP, FINE_CLIP).flatten(-2) for unit in FINE]
        return torch.cat(parts, -1), points

    def moves(self, points: Tensor) -> Tensor:
        moved = points.diff(dim=-3) / FINE_MOVE
        return moved.clamp(-FINE_CLIP, FINE_CLIP).flatten(-3)


def _rotations(spec: DataSpec) -> list[int]:
    """Where the quaternion of each observed place begins among all vectors side by side; -1: it has none."""
    found, offset = [], 0
    for key, shape in spec.observation.items():
        if not is_image(shape):
            points = spec.points.get(key, [])
            known = spec.rotations.get(key, [-1] * len(points))
            found += [start if start < 0 else offset + start for start in known]
            offset += shape[0]
    return found
