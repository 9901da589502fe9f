"""Observations as frames: one flat tensor of normalised vectors and pixels in [-1, 1], and back again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError
from wm_lab.models.parts.images import check_image, is_image
from wm_lab.models.parts.observations import Normaliser, change_scale
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

    def __init__(self, spec: DataSpec, max_precision: float, image_scale: float):
        super().__init__()
        images = [key for key, shape in spec.observation.items() if is_image(shape)]
        if len(images) > 1:
            raise UserError(f"video_diffusion draws one image a step; found {', '.join(images)}: observe one of them")
        self.image_key, self.side = images[0] if images else None, 0
        if self.image_key is not None:
            shape = spec.observation[self.image_key]
            check_image(self.image_key, shape)
            self.side = shape[0]
        vectors = {key: shape[0] for key, shape in spec.observation.items() if key != self.image_key}
        self.vectors = nn.ModuleDict({key: Normaliser.of(spec, key) for key in vectors})
        self.sizes, self.width, self.image_scale = list(vectors.values()), sum(vectors.values()), image_scale
        unit = torch.full((self.width + 3 * self.side**2,), IMAGE_CHANGE)
        unit[: self.width] = change_scale(spec, max_precision)
        self.register_buffer("unit", unit, persistent=False)  # [Z] an ordinary change

    def encode(self, observation: dict[str, Tensor]) -> Tensor:
        """{key: [..., *shape]} -> [..., Z]"""
        parts = [norm(observation[key]) for key, norm in self.vectors.items()]
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
        pieces = vector.split(self.sizes, -1)
        out = {key: norm.inverse(piece) for (key, norm), piece in zip(self.vectors.items(), pieces, strict=True)}  # type: ignore[operator]
        if self.image_key is not None:
            out[self.image_key] = self.picture(image)
        return out

    def picture(self, image: Tensor) -> Tensor:
        """[..., 3, S, S] in [-1, 1] -> [..., S, S, 3] in [0, 255]"""
        return (image.movedim(-3, -1) + 1) * 127.5

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """Errors in units of ordinary changes, Huber's summed over vectors, an image's squared mean: [...]."""
        vector, image = self.split(features)
        seen, picture = self.split(self.encode(observation))
        error = (vector - seen) / self.unit[: self.width]
        total = F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none").sum(-1)
        if self.image_key is not None:
            total = total + self.image_scale * ((image - picture) / IMAGE_CHANGE).square().mean((-1, -2, -3))
        return total
