"""A frame as codes: images relative to a context frame, vectors by the error of the linear prediction.

- An *image* is coded on a 4x4 grid relative to the first observed frame (iVideoGPT, arXiv 2405.15223, §3.1): what never
  changes is not coded again, so 16 codes suffice. (Not relative to the previous frame, which imagination would first
  have to decode.) A few more code where the image's keypoints are. The first frame itself is the context, without
  codes: some channels of each cell, and its keypoints with some of their appearance.
- A *vector* is coded by the correction to its linear prediction, in units of one-step changes, given the previous
  vector and the action (as in Δ-IRIS, arXiv 2406.19320, §3.1). Absolute codes of a few levels are centimetres apart;
  these are fractions of one step. One small network decodes them, so imagination carries the vector along.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import mlp, symlog, zero
from wm_lab.models.parts.fsq import FSQ
from wm_lab.models.parts.images import ImageDecoder, ImageEncoder, is_image
from wm_lab.models.parts.vectors import Vectors
from wm_lab.models.video_token.config import VideoTokenConfig
from wm_lab.world_model import DataSpec

GRID = 16
"""Codes of an image: the 4x4 cells that the encoder halves it down to."""

POINT_CODES = 4
"""Further codes of an image, for where its keypoints are, if it has any."""

COARSE = 16
"""Cells to a side of images that are compared with a goal's."""

APPEARANCE = 32
"""Numbers for how all keypoints of the context's image look."""


class ImageFeatures(NamedTuple):
    """Of one image of every frame, before it is coded."""

    cells: Tensor  # [..., 16, channels]
    points: Tensor  # [..., 3 * points] where keypoints are, and how clearly
    appearance: Tensor  # [..., points * channels] how the image looks there


class Images(nn.Module):
    """Codes of all images of a frame, [..., C I, dims], and the context that they are relative to, [..., context_size].

    Both go image by image; of an image, first the cells of the grid, then the keypoints.
    """

    def __init__(self, config: VideoTokenConfig, spec: DataSpec, fsq: FSQ):
        super().__init__()
        points, channels = config.points, config.context_channels
        self.fsq, self.point_size = fsq, 3 * points
        self.codes_each = GRID + (POINT_CODES if points else 0)
        self.context_sizes = [GRID * channels, self.point_size, APPEARANCE if points else 0]
        self.encoders, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        self.to_context, self.to_cells = nn.ModuleDict(), nn.ModuleDict()
        self.to_appearance, self.to_points = nn.ModuleDict(), nn.ModuleDict()
        for key, shape in spec.observation.items():
            if is_image(shape):
                encoder = ImageEncoder(spec, key, config.depth, points)
                width = encoder.channels
                self.encoders[key] = encoder
                self.to_context[key] = nn.Linear(width, channels)
                self.to_cells[key] = nn.Linear(width + channels, fsq.dims)
                if encoder.points is not None:
                    self.to_appearance[key] = nn.Linear(encoder.points.size - self.point_size, APPEARANCE)
                    self.to_points[key] = nn.Linear(2 * self.point_size, POINT_CODES * fsq.dims)
                shown = self.codes_each * fsq.dims + sum(self.context_sizes)
                self.decoders[key] = ImageDecoder(shown, spec, key, config.depth)
        self.codes = len(self.encoders) * self.codes_each
        self.context_size = len(self.encoders) * sum(self.context_sizes)

    def features(self, observation: dict[str, Tensor]) -> tuple[list[ImageFeatures], Tensor]:
        """Features of every image on its own, and the context that these frames would make."""
        features, contexts = [], []
        for key, encoder in self.encoders.items():
            assert isinstance(encoder, ImageEncoder)
            grid = GRID * encoder.channels
            maps, points, appearance = encoder(observation[key]).tensor_split([grid, grid + self.point_size], -1)
            features.append(ImageFeatures(maps.unflatten(-1, (-1, GRID)).transpose(-1, -2), points, appearance))
            contexts += [self.to_context[key](features[-1].cells).flatten(-2), points]
            if self.point_size:
                contexts.append(self.to_appearance[key](appearance))
        return features, torch.cat(contexts, -1)

    def encode(self, features: list[ImageFeatures], context: Tensor) -> Tensor:
        """Features, and the context that holds at each frame -> codes."""
        raw = []
        for key, own, around in zip(self.encoders, features, self._by_image(context), strict=True):
            cells, points, _ = around.split(self.context_sizes, -1)
            raw.append(self.to_cells[key](torch.cat([own.cells, cells.unflatten(-1, (GRID, -1))], -1)))
            if self.point_size:
                point_codes = self.to_points[key](torch.cat([own.points, points], -1))
                raw.append(point_codes.unflatten(-1, (POINT_CODES, -1)))
        codes: Tensor = self.fsq(torch.cat(raw, -2))
        return codes

    def decode(self, codes: Tensor, context: Tensor) -> dict[str, Tensor]:
        """Images in [0, 1]."""
        parts = zip(self.decoders.items(), codes.split(self.codes_each, -2), self._by_image(context), strict=True)
        return {key: net(torch.cat([own.flatten(-2), around], -1)) for (key, net), own, around in parts}

    def _by_image(self, context: Tensor) -> tuple[Tensor, ...]:
        return context.chunk(len(self.encoders), -1)


class VectorCodes(Vectors):
    """Codes of the change of a frame's normalised vectors, [..., codes, dims]."""

    def __init__(self, config: VideoTokenConfig, spec: DataSpec, fsq: FSQ):
        super().__init__(spec, config.min_step_std)
        self.fsq, self.codes = fsq, config.vector_codes if self.size else 0
        if self.codes:
            known = self.read_size + spec.action_size
            self.encoder = mlp(self.size + known, config.units, config.layers, self.codes * fsq.dims)
            self.decoder = mlp(self.codes * fsq.dims + known, config.units, config.layers, self.size)
            zero(self.decoder[-1])  # untrained, it is the linear prediction

    def encode(self, vector: Tensor, before: Tensor, action: Tensor) -> Tensor:
        """Codes of the change from `before` [..., V] to `vector`, which the action [..., A] led to."""
        correction = symlog(self.change(self.prior(before, action), vector))
        raw = self.encoder(torch.cat([correction, self.read(before), action], -1))
        codes: Tensor = self.fsq(raw.unflatten(-1, (self.codes, -1)))
        return codes

    def decode(self, codes: Tensor, before: Tensor, action: Tensor) -> Tensor:
        """The next vector [..., V]."""
        correction = self.decoder(torch.cat([codes.flatten(-2), self.read(before), action], -1))
        return self.corrected(self.prior(before, action), correction)


class Tokenizer(nn.Module):
    """Both; a frame's codes are its images' and then its vectors', [..., codes, dims]."""

    def __init__(self, config: VideoTokenConfig, spec: DataSpec, fsq: FSQ):
        super().__init__()
        self.fsq = fsq
        self.images = Images(config, spec, fsq)
        self.vectors = VectorCodes(config, spec, fsq)
        self.codes = self.images.codes + self.vectors.codes

    def split(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """The images' and the vectors' part of a frame's codes."""
        return codes[..., : self.images.codes, :], codes[..., self.images.codes :, :]

    def advance(self, codes: Tensor, before: Tensor, action: Tensor) -> Tensor:
        """The vectors after a step with these codes, [..., V] -> [..., V]."""
        return self.vectors.decode(self.split(codes)[1], before, action) if self.vectors.codes else before


class TokenDecoder(nn.Module):
    """Reads a frame off features [..., F] that hold [vector, its geometry, codes, context] from `offset` on."""

    def __init__(self, tokenizer: Tokenizer, offset: int, image_scale: float):
        super().__init__()
        self.tokenizer, self.offset, self.image_scale = tokenizer, offset, image_scale

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """{key: [..., *shape]} in the task's own units; images float in [0, 255]."""
        vector, images = self._parts(features)
        return {key: image.clamp(0, 1) * 255 for key, image in images.items()} | self.tokenizer.vectors.denormalise(
            vector
        )

    def appearance(self, features: Tensor) -> Tensor:
        """Vectors as they are normalised, and coarse images in units of their contrast, [..., F] -> [..., P].

        Codes say how an image departs from its own episode's first one: those of two episodes differ where their images
        are alike.
        """
        vector, images = self._parts(features)
        parts = [vector]
        for key, image in images.items():
            decoder = self.tokenizer.images.decoders[key]
            assert isinstance(decoder, ImageDecoder)
            small = F.adaptive_avg_pool2d(image.flatten(0, -4).movedim(-1, -3), COARSE).flatten(1)
            parts.append(small.unflatten(0, image.shape[:-3]) / decoder.contrast.unit)
        return torch.cat(parts, -1)

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """An image's mean squared error (`Contrast`), weighed; Huber summed over vector dimensions: [...]."""
        vector, images = self._parts(features)
        total = torch.zeros(features.shape[:-1], device=features.device)
        for key, image in images.items():
            decoder = self.tokenizer.images.decoders[key]
            assert isinstance(decoder, ImageDecoder)
            error = decoder.contrast.error(image, observation[key])
            total = total + self.image_scale * error
        vectors = self.tokenizer.vectors
        return total + vectors.error(vector, vectors.normalise(observation))

    def _parts(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        images, vectors, dims = self.tokenizer.images, self.tokenizer.vectors, self.tokenizer.fsq.dims
        sizes = [self.offset, vectors.size, vectors.geometry.size, self.tokenizer.codes * dims, images.context_size]
        _, vector, _, codes, context = features.split(sizes, -1)
        if not images.codes:
            return vector, {}
        return vector, images.decode(self.tokenizer.split(codes.unflatten(-1, (-1, dims)))[0], context)
