"""Encoder and decoder of observations: symlog MLPs for normalised vectors, small convolution nets for images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wm_lab.domains import Depth
from wm_lab.models.parts.blocks import mlp, symexp, symlog, zero
from wm_lab.models.parts.heads import HeadsConfig
from wm_lab.models.parts.images import ImageDecoder, ImageEncoder, is_image
from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec


@dataclass
class AutoencoderConfig(HeadsConfig):
    """Of families that encode and decode observations by networks of their own."""

    layers: Depth = 2  # hidden layers of encoder and decoder


class ObservationEncoder(nn.Module):
    """{key: [..., *shape]} -> features [..., size] of every step, and what a latent can hold without a network between.

    The latter is the vectors and `readout` linear functions of the image features: a keypoint is a position already.
    """

    def __init__(self, config: AutoencoderConfig, spec: DataSpec, readout: int = 0):
        super().__init__()
        self.images, self.vectors = nn.ModuleDict(), Vectors(spec, config.min_step_std)
        pixels = 0
        for key, shape in spec.observation.items():
            if is_image(shape):
                encoder = ImageEncoder(spec, key, config.depth, config.points)
                self.images[key] = encoder
                pixels += encoder.size
        width = self.vectors.width
        self.mlp = mlp(width, config.units, config.layers) if width else None
        self.image_readout = nn.Linear(pixels, readout) if pixels and readout else None
        self.size = (config.units if width else 0) + pixels

    def forward(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features [..., size]; and normalised vectors, then the image readout, [..., V + readout]."""
        features = [net(observation[key]) for key, net in self.images.items()]
        known = [self.vectors.normalise(observation)]
        if self.image_readout is not None:
            known.append(self.image_readout(torch.cat(features, -1)))
        if self.mlp is not None:
            features.append(self.mlp(symlog(known[0])))
        return torch.cat(features, -1), torch.cat(known, -1)


class ObservationDecoder(nn.Module):
    """Features [..., F] -> {key: [..., *shape]} in the task's own units.

    Where the features hold the vectors (from `offset` on), the network only corrects them.
    Features beyond the first `inputs` are not read.
    """

    def __init__(self, config: AutoencoderConfig, spec: DataSpec, inputs: int, offset: int | None = None):
        super().__init__()
        self.inputs, self.image_scale = inputs, config.image_scale
        self.images, self.vectors = nn.ModuleDict(), Vectors(spec, config.min_step_std)
        for key, shape in spec.observation.items():
            if is_image(shape):
                self.images[key] = ImageDecoder(inputs, spec, key, config.depth)
        self.offset, width = offset, self.vectors.width
        self.mlp = mlp(inputs, config.units, config.layers, width) if width else None
        if self.mlp is not None and offset is not None:
            zero(self.mlp[-1])

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Images come out as float in [0, 255]."""
        features = features[..., : self.inputs]
        images = {key: net(features).clamp(0, 1) * 255 for key, net in self.images.items()}
        return images | self.vectors.denormalise(self._vector(features))

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """An image's mean squared error (`Contrast`), weighed; Huber summed over vector dimensions: [...]."""
        features = features[..., : self.inputs]
        total = torch.zeros(features.shape[:-1], device=features.device)
        for key, net in self.images.items():
            assert isinstance(net, ImageDecoder)
            error = net.contrast.error(net(features), observation[key])
            total = total + self.image_scale * error
        return total + self.vectors.error(self._vector(features), self.vectors.normalise(observation))

    def _vector(self, features: Tensor) -> Tensor:
        if self.mlp is None:
            return features[..., :0]
        if self.offset is None:
            return symexp(self.mlp(features))
        held = features[..., self.offset : self.offset + self.vectors.width]
        return self.vectors.corrected(held, self.mlp(features))
