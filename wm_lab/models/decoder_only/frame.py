"""One observation as one continuous vector z: what a decoder reads, predicts and feeds back to itself.

z holds the observed vectors themselves (normalised), then an embedding of the images. The next z is predicted as a
correction of the best guess without a network, in units of ordinary one-step changes: linear drift for vectors, no
change for embeddings.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.images import is_image
from wm_lab.models.parts.observations import (
    Drift,
    Normaliser,
    ObservationDecoder,
    ObservationEncoder,
    Relations,
    change_scale,
)
from wm_lab.world_model import DataSpec


class Frame(nn.Module):
    """`embedding` is the size of what all images of one moment become; there is none without images."""

    scale: Tensor

    def __init__(self, spec: DataSpec, embedding: int, depth: int, points: int, max_precision: float):
        super().__init__()
        images, self.vectors = only_images(spec), normalisers(spec)
        self.images: nn.Module | None = None
        if images.observation:
            encoder = ObservationEncoder(images, units=0, layers=0, depth=depth, points=points)
            self.images, self.embed = encoder, nn.Linear(encoder.size, embedding)
            # Its scale is fixed, or embeddings would shrink until every guess of the next one is a good one.
            self.norm = nn.LayerNorm(embedding, elementwise_affine=False)
        known, beyond = change_scale(spec, max_precision), embedding if images.observation else 0
        self.register_buffer("scale", F.pad(known, (0, beyond), value=1.0), persistent=False)
        self.size = self.scale.shape[0]
        self.relations, self.drift = Relations(spec), Drift(spec, self.size)
        self.read_size = self.size + self.relations.size

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """{key: [..., *shape]} -> z [..., Z]"""
        parts = [norm(observation[key]) for key, norm in self.vectors.items()]
        if self.images is not None:
            parts.append(self.norm(self.embed(self.images(observation)[0])))
        return torch.cat(parts, -1)

    def read(self, z: Tensor) -> Tensor:
        """What networks see of z: itself, and the relations of the points in it, [..., read_size]."""
        return torch.cat([z, self.relations(z)], -1) if self.relations.size else z

    def follow(self, seen: Tensor, correction: Tensor, action: Tensor | None = None) -> Tensor:
        """The next z after `seen` [..., R] and an action [..., A], if known; correction [..., Z] in ordinary steps."""
        z = seen[..., : self.size]
        return torch.addcmul(z if action is None else self.drift(z, action), correction, self.scale)

    def change(self, before: Tensor, after: Tensor) -> Tensor:
        """From one z, or what is seen of it, to another, in ordinary steps: [..., Z]."""
        return (after[..., : self.size] - before[..., : self.size]) / self.scale

    def error(self, guess: Tensor, seen: Tensor) -> Tensor:
        """Huber error of guesses [..., Z] of the frames `seen` [..., R], in ordinary steps, summed over z: [...]."""
        return huber(self.change(seen.detach(), guess))


class FrameDecoder(nn.Module):
    """z, the first numbers of features [..., F], -> {key: [..., *shape]} in the task's own units.

    Vectors stand in z as they are; images are painted from their embedding.
    """

    scale: Tensor

    def __init__(self, spec: DataSpec, embedding: int, depth: int, max_precision: float, image_scale: float):
        super().__init__()
        images, self.vectors = only_images(spec), normalisers(spec)
        self.sizes = [spec.observation[key][0] for key in self.vectors]
        self.begin, self.end = sum(self.sizes), sum(self.sizes) + embedding
        self.images: ObservationDecoder | None = None
        if images.observation:
            self.images = ObservationDecoder(embedding, images, 0, 0, depth, max_precision, image_scale)
        self.register_buffer("scale", change_scale(spec, max_precision), persistent=False)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        out = {} if self.images is None else self.images(features[..., self.begin : self.end])
        parts = features[..., : self.begin].split(self.sizes, -1)
        return out | {key: self.vectors[key].inverse(part) for key, part in zip(self.vectors, parts, strict=True)}  # type: ignore[operator]

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """An image's error, weighed; Huber error in ordinary steps summed over vector dimensions: [...]."""
        total = features.new_zeros(features.shape[:-1])
        if self.images is not None:
            total = total + self.images.loss(features[..., self.begin : self.end], observation)
        if self.begin:
            target = torch.cat([norm(observation[key]) for key, norm in self.vectors.items()], -1)
            total = total + huber((features[..., : self.begin] - target) / self.scale)
        return total


def huber(error: Tensor) -> Tensor:
    """Summed over the last dimension; linear beyond 1, since contact makes rare large errors."""
    return F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none").sum(-1)


def only_images(spec: DataSpec) -> DataSpec:
    return replace(spec, observation={key: shape for key, shape in spec.observation.items() if is_image(shape)})


def normalisers(spec: DataSpec) -> nn.ModuleDict:
    return nn.ModuleDict({k: Normaliser.of(spec, k) for k, shape in spec.observation.items() if not is_image(shape)})
