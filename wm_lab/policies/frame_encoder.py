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
IMAGE_AXES = 3


class FrameEncoder(nn.Module):
    """{key: [..., *shape]} -> [..., size]: vectors normalised, with the geometry of their points; images as keypoints.

    World models read the same geometry, so neither side of a comparison has them alone.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: DataSpec, image_features: int) -> None:
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
        self.size = len(mean) + self.geometry.size + image_features * len(self.images)

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        parts = [net(observation[key]) for key, net in self.images.items()]
        if self.vectors:
            vector = torch.cat([observation[key] for key in self.vectors], dim=-1)
            normalised = ((vector - self.mean) / self.std).clamp(-CLIP, CLIP)
            parts += [normalised, self.geometry(normalised)]
        return torch.cat(parts, dim=-1)


class KeypointEncoder(nn.Module):
    """Images [..., H, W, 3] in [0, 255] -> [..., size], by a small convolution net and a spatial softmax.

    The softmax turns each channel into one expected image position (Levine et al. 2016).
    """

    def __init__(self, size: int, channels: int = 32) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, channels, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
        )
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(4.0)))
        self.out = nn.Linear(4 * channels, size)

    def forward(self, image: Tensor) -> Tensor:
        lead = image.shape[:-IMAGE_AXES]
        pixels = image.reshape(-1, *image.shape[-IMAGE_AXES:]).permute(0, 3, 1, 2).float() / 127.5 - 1
        maps = self.convolutions(pixels)  # [M, C, h, w]
        features: Tensor = self.out(soft_argmax(maps * self.log_sharpness.exp())).view(*lead, -1)
        return features
