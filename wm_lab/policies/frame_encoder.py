"""One observation to one vector, for policies that learn from scratch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wm_lab.errors import UserError
from wm_lab.models.parts.geometry import PairwiseGeometry
from wm_lab.models.parts.images import soft_argmax
from wm_lab.world_model import DataSpec

CLIP = 10.0  # standard deviations beyond which a normalised number is clipped
FINE = (0.2, 0.05)  # decimetres: units of the fine copies of gaps, 2 cm and 5 mm
FINE_MOVE = 0.05  # decimetres: unit of the fine copies of moves between frames, 5 mm
FINE_CLIP = 2.0  # units beyond which a fine copy tells no more
IMAGE_AXES = 3
CHANNELS = 64
"""Of an image's features, each of which becomes one point."""


class FrameEncoder(nn.Module):
    """{key: [..., *shape]} -> [..., size]: vectors normalised, with the geometry of their points; images as keypoints.

    World models read the same geometry, so neither side of a comparison has them alone.

    fine: beside these, copies of the gaps between points in units of 2 cm and of 5 mm, clipped. A peg goes down once it
        is 2 mm beside its hole, which is a hundredth of how much that gap varies: too little for a network to see.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: DataSpec, image_features: int, fine: bool = False) -> None:
        super().__init__()
        self.images = nn.ModuleDict()
        self.vectors: list[str] = []
        mean: list[float] = []
        std: list[float] = []
        for key, shape in spec.observation.items():
            if len(shape) == IMAGE_AXES:
                self.images[key] = KeypointEncoder(image_features)
            elif len(shape) == 1:
                self.vectors.append(key)
                mean += spec.mean.get(key, [0.0] * shape[0])
                std += spec.std.get(key, [1.0] * shape[0])
            else:
                raise UserError(
                    f"observation {key!r} has shape {shape}; a policy reads vectors (D,) and images (H, W, 3)"
                )
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor([s if s > 0 else 1.0 for s in std]))
        self.geometry = PairwiseGeometry(spec)
        self.fine = fine and self.geometry.pairs > 0
        self.size = len(mean) + self.geometry.size + image_features * len(self.images)
        self.size += len(FINE) * 3 * self.geometry.pairs * self.fine

    @property
    def move_size(self) -> int:
        """How many numbers `moves` gives for a step from one frame to the next."""
        return len(self.geometry.index) if self.fine else 0

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        parts = [net(observation[key]) for key, net in self.images.items()]
        if self.vectors:
            normalised = self._normalised(observation)
            clipped = normalised.clamp(-CLIP, CLIP)
            parts += [clipped, self.geometry(clipped)]
            if self.fine:
                gaps = self.geometry.gaps(self.geometry.points(normalised)).flatten(-2)
                parts += [(gaps / unit).clamp(-FINE_CLIP, FINE_CLIP) for unit in FINE]
        return torch.cat(parts, dim=-1)

    def points(self, observation: Mapping[str, Tensor]) -> Tensor:
        """{key: [..., D]} -> [..., points, 3] in decimetres, for `moves`; no points where nothing is seen finely."""
        if not self.fine:
            key, value = next(iter(observation.items()))
            lead = value.shape[: -IMAGE_AXES if key in self.images else -1]
            return self.mean.new_zeros(*lead, 0, 3)
        return self.geometry.points(self._normalised(observation))

    def moves(self, points: Tensor) -> Tensor:
        """How each point moves from frame to frame: [..., frames, points, 3] -> [..., (frames - 1) * move_size]"""
        return (points.diff(dim=-3) / FINE_MOVE).clamp(-FINE_CLIP, FINE_CLIP).flatten(-3)

    def _normalised(self, observation: Mapping[str, Tensor]) -> Tensor:
        """All vectors as one [..., D]."""
        vector = torch.cat([observation[key] for key in self.vectors], dim=-1)
        return (vector - self.mean) / self.std


class KeypointEncoder(nn.Module):
    """Images [..., H, W, 3] in [0, 255] -> [..., size], by a small convolution net and a spatial softmax.

    The softmax turns each channel into one expected image position (Levine et al. 2016).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        channels = CHANNELS // 2
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, channels, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
        )
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(4.0)))
        self.out = nn.Linear(4 * channels, size)

    def forward(self, image: Tensor, film: Tensor | None = None) -> Tensor:
        """film: [..., 2 * CHANNELS], by how much more and from where each feature counts; None: as it is"""
        lead = image.shape[:-IMAGE_AXES]
        pixels = image.reshape(-1, *image.shape[-IMAGE_AXES:]).permute(0, 3, 1, 2).float() / 127.5 - 1
        if film is None:
            maps = self.convolutions(pixels)  # [M, C, h, w]
        else:
            more, base = film.reshape(len(pixels), -1, 1, 1).chunk(2, dim=1)
            maps = self.convolutions[-1](self.convolutions[:-1](pixels) * (1 + more) + base)
        features: Tensor = self.out(soft_argmax(maps * self.log_sharpness.exp())).view(*lead, -1)
        return features
