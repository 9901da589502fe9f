"""One observation as one continuous vector z: what a decoder reads, predicts and feeds back to itself.

z holds the observed vectors themselves (normalised), then an embedding of the images. The next z is predicted as a
correction of a simpler prediction, in units of typical one-step changes: linear for vectors, with things moved in it
where there are any, and no change for embeddings.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from wm_lab.models.parts.images import is_image
from wm_lab.models.parts.observations import AutoencoderConfig, ObservationDecoder, ObservationEncoder
from wm_lab.models.parts.things import thing_dynamics
from wm_lab.models.parts.vectors import Vectors
from wm_lab.world_model import DataSpec


class Frame(nn.Module):
    """`embedding` is the size of what all images of one moment become; there is none without images."""

    def __init__(self, config: AutoencoderConfig, spec: DataSpec, embedding: int, thing_units: int = 0):
        super().__init__()
        images = only_images(spec)
        self.vectors = Vectors(spec, config.min_step_std, extra=embedding if images.observation else 0)
        self.images: nn.Module | None = None
        if images.observation:
            encoder = ObservationEncoder(config, images)
            self.images, self.embed = encoder, nn.Linear(encoder.size, embedding)
            # Its scale is fixed, or embeddings would shrink until every prediction of the next one has a small error.
            self.norm = nn.LayerNorm(embedding, elementwise_affine=False)
        self.things = thing_dynamics(spec, thing_units)
        self.size, self.read_size = self.vectors.size, self.vectors.read_size

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """{key: [..., *shape]} -> z [..., Z]"""
        parts = [self.vectors.normalise(observation)]
        if self.images is not None:
            parts.append(self.norm(self.embed(self.images(observation)[0])))
        return torch.cat(parts, -1)

    def read(self, z: Tensor) -> Tensor:
        """What networks see of z: itself, and how its points lie to one another, [..., read_size]."""
        return self.vectors.read(z)

    def follow(self, frame: Tensor, correction: Tensor, action: Tensor | None = None) -> Tensor:
        """The next z after `frame` [..., R] and an action [..., A], if known; correction [..., Z] in ordinary steps."""
        z = frame[..., : self.size]
        if action is None:
            return self.vectors.corrected(z, correction)
        prediction: Tensor = self.vectors.prior(z, action)
        if self.things is not None:
            prediction = self.things(prediction, z, action)
        return self.vectors.corrected(prediction, correction)

    def change(self, before: Tensor, after: Tensor) -> Tensor:
        """From one z, or frame as networks read it, to another, in ordinary steps: [..., Z]."""
        return self.vectors.change(before[..., : self.size], after[..., : self.size])

    def error(self, prediction: Tensor, frame: Tensor) -> Tensor:
        """Huber error of predictions [..., Z] of frames [..., R], in ordinary steps, summed over z: [...]."""
        return self.vectors.error(prediction, frame[..., : self.size].detach())


class FrameDecoder(nn.Module):
    """z, the first numbers of features [..., F], -> {key: [..., *shape]} in the task's own units.

    z holds the vectors; images are decoded from their embedding.
    """

    def __init__(self, config: AutoencoderConfig, spec: DataSpec, vectors: Vectors, embedding: int):
        super().__init__()
        images, self.vectors = only_images(spec), vectors
        self.begin, self.end = vectors.width, vectors.width + embedding
        self.images: ObservationDecoder | None = None
        if images.observation:
            self.images = ObservationDecoder(config, images, embedding)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        images = {} if self.images is None else self.images(features[..., self.begin : self.end])
        return images | self.vectors.denormalise(features[..., : self.begin])

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """An image's error, weighed; Huber error in ordinary steps summed over vector dimensions: [...]."""
        total = features.new_zeros(features.shape[:-1])
        if self.images is not None:
            total = total + self.images.loss(features[..., self.begin : self.end], observation)
        return total + self.vectors.error(features[..., : self.begin], self.vectors.normalise(observation))


def only_images(spec: DataSpec) -> DataSpec:
    return replace(spec, observation={key: shape for key, shape in spec.observation.items() if is_image(shape)})
