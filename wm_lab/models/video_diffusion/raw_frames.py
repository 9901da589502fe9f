"""Observations as frames: one flat tensor of normalised vectors and pixels in [-1, 1], and back again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wm_lab.errors import UserError
from wm_lab.models.parts.images import check_image, is_image
from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec

IMAGE_CHANGE = 0.25
"""What counts as an ordinary change of a pixel in [-1, 1]: most do not change at all, those at moving edges by 1."""

LIMIT = 20.0
"""Deviations from the mean that an imagined vector is kept within: beyond, any model would only run away."""


class RawFrames(nn.Module):
    """Z = V + 3 * S * S: vectors side by side, then an image channels first. Features hold the same at their two ends.

    `image_scale` is how many vector dimensions an image's error weighs as much as.
    """

    unit: Tensor

    def __init__(self, spec: DataSpec, min_step_std: float, image_scale: float):
        super().__init__()
        images = [key for key, shape in spec.observation.items() if is_image(shape)]
        if len(images) > 1:
            raise UserError(f"video_diffusion draws one image a step; found {', '.join(images)}: observe one of them")
        self.image_key, self.side = images[0] if images else None, 0
        if self.image_key is not None:
            shape = spec.observation[self.image_key]
            check_image(self.image_key, shape)
            self.side = shape[0]
        self.vectors, self.image_scale = Vectors(spec, min_step_std), image_scale
        self.width = self.vectors.width
        pixels = torch.full((3 * self.side**2,), IMAGE_CHANGE)
        self.register_buffer(
            "unit", torch.cat([self.vectors.step_std, pixels]), persistent=False
        )  # [Z] ordinary change

    def encode(self, observation: dict[str, Tensor]) -> Tensor:
        """{key: [..., *shape]} -> [..., Z]"""
        parts = [self.vectors.normalise(observation)]
        if self.image_key is not None:
            image = observation[self.image_key].movedim(-1, -3).float() / 127.5 - 1
            parts.append(image.flatten(-3))
        return torch.cat(parts, -1)

    def split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [..., V] and image [..., 3, S, S] of frames or features."""
        pixels = z[..., z.shape[-1] - 3 * self.side**2 :]
        return z[..., : self.width], pixels.unflatten(-1, (3, self.side, self.side))

    def join(self, vector: Tensor, image: Tensor) -> Tensor:
        """Inverse of `split`, each kept within what can be observed."""
        return torch.cat([vector.clamp(-LIMIT, LIMIT), image.clamp(-1, 1).flatten(-3)], -1)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Observations in the task's own units; images float in [0, 255]."""
        vector, image = self.split(features)
        out = self.vectors.denormalise(vector)
        if self.image_key is not None:
            out[self.image_key] = self.picture(image)
        return out

    def picture(self, image: Tensor) -> Tensor:
        """[..., 3, S, S] in [-1, 1] -> [..., S, S, 3] in [0, 255]"""
        return (image.movedim(-3, -1) + 1) * 127.5

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """Errors in units of ordinary changes, Huber's summed over vectors, an image's squared mean: [...]."""
        vector, image = self.split(features)
        target, picture = self.split(self.encode(observation))
        total = self.vectors.error(vector, target)
        if self.image_key is not None:
            total = total + self.image_scale * ((image - picture) / IMAGE_CHANGE).square().mean((-1, -2, -3))
        return total
