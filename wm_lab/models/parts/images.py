"""Convolutional nets that encode and decode images, as differences from the mean image of the training split."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.errors import UserError
from wm_lab.world_model import DataSpec

RARE = 3.0
"""Standard deviations that count as a unit: most pixels never change, and those that something moves past a lot."""


def is_image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3


def images_alone(spec: DataSpec) -> bool:
    """Whether only images are observed: a single one shows no velocity, and not where the robot is."""
    return all(is_image(shape) for shape in spec.observation.values())


def check_image(key: str, shape: tuple[int, ...]) -> None:
    height, width, channels = shape
    if height != width or channels != 3 or height < 8 or height & (height - 1):
        raise UserError(
            f"observation {key!r} is {height}x{width}x{channels}; the image encoder halves square RGB images "
            "down to 4x4, so the side must be a power of two of at least 8: change task.image_size"
        )


class Contrast(nn.Module):
    """What differs from the mean image: with a camera that stands still, all that moves, and a net need not learn the
    rest."""

    mean: Tensor

    def __init__(self, mean: Tensor, std: float):
        """mean: [H, W, 3], and the deviation of all pixels from it, in [0, 255]"""
        super().__init__()
        self.register_buffer("mean", mean.movedim(-1, -3).float() / 255)
        self.unit = RARE * std / 255

    @classmethod
    def of(cls, spec: DataSpec, key: str) -> Contrast:
        shape = spec.observation[key]
        if key not in spec.mean:
            return cls(torch.full(shape, 127.5), 85.0)
        return cls(torch.tensor(spec.mean[key]).reshape(shape), spec.std[key][0])

    def forward(self, image: Tensor) -> Tensor:
        """[..., H, W, 3] in [0, 255] -> [..., 3, H, W]"""
        return (image.movedim(-1, -3) / 255 - self.mean) / self.unit

    def inverse(self, contrast: Tensor) -> Tensor:
        """[..., 3, H, W] -> [..., H, W, 3] in about [0, 1]"""
        return (self.mean + self.unit * contrast).movedim(-3, -1)

    def error(self, decoded: Tensor, image: Tensor) -> Tensor:
        """Squared error of [..., H, W, 3] in [0, 1] about images in [0, 255], in this unit, their mean: [...]."""
        return ((decoded - image / 255) / self.unit).square().mean((-1, -2, -3))


class ImageEncoder(nn.Module):
    """Strided convolutions, halving down to 4x4: [..., H, W, 3] in [0, 255] -> [..., 16 * channels + keypoints].

    Keypoints, if any, stand after the maps: where in the image each of them is, how clearly, and its appearance.
    """

    def __init__(self, spec: DataSpec, key: str, depth: int, points: int = 0):
        super().__init__()
        shape = spec.observation[key]
        check_image(key, shape)
        channels = stage_channels(shape[0], depth)
        self.contrast = Contrast.of(spec, key)
        stages = [
            nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1), nn.GroupNorm(1, outputs), nn.SiLU())
            for inputs, outputs in zip([3, *channels], channels, strict=False)
        ]
        self.fine, self.coarse = nn.Sequential(*stages[:FINE]), nn.Sequential(*stages[FINE:])
        self.channels = channels[-1]
        self.points = Keypoints(channels[:FINE][-1], points) if points else None
        self.size = 16 * self.channels + (self.points.size if self.points else 0)

    def forward(self, image: Tensor) -> Tensor:
        fine = self.fine(self.contrast(image).reshape(-1, 3, *image.shape[-3:-1]))
        features = self.coarse(fine).flatten(1)
        if self.points is not None:
            features = torch.cat([features, self.points(fine)], -1)
        out: Tensor = features.reshape(*image.shape[:-3], self.size)
        return out


FINE = 2
"""Halvings after which keypoints are looked for."""


class Keypoints(nn.Module):
    """Spatial soft-argmax (Finn et al. 2016, Deep Spatial Autoencoders, arXiv 1509.06113).

    A position is what robot tasks ask of an image, and the one thing that a small convolution net is slow to say in
    numbers: here each feature map *is* a position. The features at that position tell the rest, such as how far away
    it is: a net reads the goal of hand/reach off single images to 4.2 cm after 300 steps so, and to 5.5 without.
    """

    def __init__(self, channels: int, points: int):
        super().__init__()
        self.maps = nn.Conv2d(channels, points, 3, 1, 1)
        self.size = (3 + channels) * points

    def forward(self, x: Tensor) -> Tensor:
        """[M, C, S, S] -> [M, size]: x and y in [-1, 1], the logarithm of the mean strength, and x read there."""
        maps = self.maps(x)
        read = torch.cat([x, coordinates(maps)], 1).flatten(2)
        with torch.autocast(maps.device.type, enabled=False):
            means, strength = spatial_softmax(maps.float(), read.float())
        appearance, centres = means.tensor_split([x.shape[1]], -1)
        return torch.cat([centres.transpose(1, 2).flatten(1), strength, appearance.flatten(1)], -1)


def spatial_softmax(maps: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
    """Means of `read` [M, C, H W] under the softmax of each map [M, P, H, W], [M, P, C]; and log mean exp(map), [M, P].

    The softmax itself is never made, since walking over the maps costs time: one product with exp(map) holds all sums,
    its total among them.
    """
    flat = maps.flatten(2)
    peak = flat.detach().amax(-1, keepdim=True)
    sums = (flat - peak).exp() @ F.pad(read, (0, 0, 0, 1), value=1.0).transpose(1, 2)
    total = sums[..., -1:]
    return sums[..., :-1] / total, (total.log() + peak - math.log(flat.shape[-1]))[..., 0]


def coordinates(maps: Tensor) -> Tensor:
    """x and y of each cell of maps [M, P, H, W], in [-1, 1]: [M, 2, H, W]."""
    right, down = (torch.linspace(-1, 1, side, device=maps.device) for side in (maps.shape[3], maps.shape[2]))
    return torch.stack(torch.meshgrid(right, down, indexing="xy")).expand(maps.shape[0], -1, -1, -1)


def soft_argmax(maps: Tensor) -> Tensor:
    """Where each map [M, C, H, W] is large: [M, 2 C], all x and then all y, in [-1, 1]."""
    means, _ = spatial_softmax(maps, coordinates(maps).flatten(2))
    return means.transpose(1, 2).flatten(1)


class ImageDecoder(nn.Module):
    """Mirror of the encoder: features [..., F] -> [..., H, W, 3] in about [0, 1]; starts near the mean image."""

    def __init__(self, inputs: int, spec: DataSpec, key: str, depth: int):
        super().__init__()
        shape = spec.observation[key]
        check_image(key, shape)
        self.contrast = Contrast.of(spec, key)
        channels = stage_channels(shape[0], depth)[::-1]
        self.inner = nn.Linear(inputs, channels[0] * 16)
        stack: list[nn.Module] = []
        for i, outputs in zip(channels, [*channels[1:], 3], strict=True):
            stack += [nn.SiLU(), nn.ConvTranspose2d(i, outputs, 4, 2, 1)]
            if outputs != 3:
                stack.append(nn.GroupNorm(1, outputs))
        self.net = nn.Sequential(*stack)

    def forward(self, features: Tensor) -> Tensor:
        x = self.net(self.inner(features).reshape(-1, self.inner.out_features // 16, 4, 4))
        image: Tensor = self.contrast.inverse(x).unflatten(0, features.shape[:-1])
        return image


def stage_channels(size: int, depth: int) -> list[int]:
    """Channels of each halving from `size` down to 4 pixels: depth, 2 depth, 4 depth, ..."""
    stages = (size // 4).bit_length() - 1
    return [depth * 2**i for i in range(stages)]
