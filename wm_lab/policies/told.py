"""One observation to one vector, for a policy that is told what to do: it looks at what the sentence is about.

Where a state tells the places of things, the sentence points: each of `POINTERS` pointers weighs the things that are
there. How what it points at and the robot lie to one another, and how they are turned, is what the policy sees of
places; so what it learns of the red block it knows of the green one. It sees this twice: of the weighted mean, through
whose weights it learns to point, and of the heaviest thing alone, whose place is exact. A mean of several things lies
centimetres beside each of them, and nobody pushes by that. In images the sentence turns features up and down before
they become points (FiLM, Perez et al. 2018, arXiv 1709.07871).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.geometry import FAR_ENOUGH
from wm_lab.models.parts.images import is_image
from wm_lab.policies.frame_encoder import CHANNELS, CLIP, FINE, FINE_CLIP, FINE_MOVE, FrameEncoder
from wm_lab.world_model import DataSpec

POINTERS = 3
"""Things that a sentence points at: what, where to, and one to spare."""

SHARPNESS = 2.0
"""Times a linear map of a sentence, so that a few hundred steps of training tell places apart. At 6 a pointer can
settle on a wrong place before it has learned which is right, and stay there: one clone never went to the blue block."""

ABSENT = -1e4
"""What is added to the score of a thing that is not there."""

NEAR = 0.01
"""Decimetres, added to lengths so that their gradient stays finite where two places meet."""


class ToldEncoder(FrameEncoder):
    """{key: [..., *shape]} and sentences [..., W] -> [..., size].

    Of the observed places those that may be absent are things, at which sentences point; the others are the robot's
    own and always seen. Where no place may be absent, all are things.
    """

    things: Tensor  # numbers of places
    own: Tensor
    here: Tensor  # of each thing, the number that tells whether it is there
    first: Tensor
    second: Tensor
    other: Tensor
    turned: Tensor
    has_turned: Tensor

    def __init__(self, spec: DataSpec, image_features: int, width: int) -> None:
        super().__init__(spec, image_features)
        rotations, present = _facts(spec, spec.rotations), _facts(spec, spec.present)
        self.masked = max(present, default=-1) >= 0
        things = [place for place, at in enumerate(present) if at >= 0 or not self.masked]
        own = [place for place in range(len(present)) if place not in things]
        self.pointers = min(POINTERS, len(things))
        self.pointer = nn.Linear(width, self.pointers * len(things)) if things else None
        self.film = nn.ModuleDict({key: nn.Linear(width, 2 * CHANNELS) for key in self.images})
        self.count = self.pointers + len(own)
        pairs = list(combinations(range(self.count), 2))
        quaternions = [start + part for start in rotations if start >= 0 for part in range(4)]
        taken = {*self.geometry.index, *quaternions}
        for name, numbers in {
            "things": things,
            "own": own,
            "here": [present[place] for place in things] if self.masked else [],
            "first": [one for one, _ in pairs],
            "second": [two for _, two in pairs],
            "other": [number for number in range(len(self.mean)) if number not in taken],  # than places and rotations
            "turned": [max(rotations[place], 0) + part for place in things for part in range(4)],
            "has_turned": [int(rotations[place] >= 0) for place in things],
        }.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.long), persistent=False)
        seen = 2 * (3 * self.count + 4 * self.pointers + (7 + 3 * len(FINE)) * len(pairs))
        self.size = len(self.other) + image_features * len(self.images) + seen

    @property
    def move_size(self) -> int:
        return 3 * self.count

    def look(self, observation: Mapping[str, Tensor], told: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [..., size], and the places that are looked at in them [..., count, 3] in decimetres, exact ones."""
        parts = [net(observation[key], self.film[key](told)) for key, net in self.images.items()]
        points = told.new_zeros(*told.shape[:-1], 0, 3)
        if self.vectors:
            vector = self._normalised(observation)
            parts.append(vector[..., self.other].clamp(-CLIP, CLIP))
            if self.pointer is not None:
                raw = torch.addcmul(self.mean, vector, self.std)
                soft = self._weights(told, raw)
                places = self.geometry.points(vector)
                turned = raw[..., self.turned].unflatten(-1, (-1, 4)) * self.has_turned[:, None]
                for weights in (soft, F.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft.dtype)):
                    points = torch.cat([places[..., self.own, :], weights @ places[..., self.things, :]], -2)
                    parts += [*self._relations(points), (weights @ turned).flatten(-2)]
        return torch.cat(parts, -1), points

    def moves(self, points: Tensor) -> Tensor:
        moved = points.diff(dim=-3) / FINE_MOVE
        return moved.clamp(-FINE_CLIP, FINE_CLIP).flatten(-3)

    def _relations(self, points: Tensor) -> list[Tensor]:
        """Of places [..., count, 3] in decimetres: where they are, and how they lie to one another."""
        gaps = points[..., self.first, :] - points[..., self.second, :]  # [..., pairs, 3]
        lengths = (gaps.square().sum(-1) + NEAR**2).sqrt()
        ways = gaps / (lengths[..., None] + FAR_ENOUGH)  # which way, however far
        fine = [(gaps / unit).clamp(-FINE_CLIP, FINE_CLIP).flatten(-2) for unit in FINE]
        return [points.flatten(-2), gaps.flatten(-2), lengths, ways.flatten(-2), *fine]

    def _weights(self, told: Tensor, raw: Tensor) -> Tensor:
        """Of each thing for each pointer [..., pointers, things]: those that are not there have none."""
        assert self.pointer is not None
        scores: Tensor = SHARPNESS * self.pointer(told).unflatten(-1, (self.pointers, -1))
        if self.masked:
            scores = scores + ABSENT * (raw[..., None, self.here] < 0.5)
        return scores.softmax(-1)


def _facts(spec: DataSpec, known: Mapping[str, list[int]]) -> list[int]:
    """An index for each observed place, among all vectors side by side; -1: there is none."""
    found, offset = [], 0
    for key, shape in spec.observation.items():
        if not is_image(shape):
            own = known.get(key, [-1] * len(spec.points.get(key, [])))
            found += [start if start < 0 else offset + start for start in own]
            offset += shape[0]
    return found
