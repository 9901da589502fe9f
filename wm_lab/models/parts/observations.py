"""Reading and writing observations: vectors by symlog MLPs on normalised values, images by small convolution nets."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import mlp, symexp, symlog, zero
from wm_lab.models.parts.images import ImageDecoder, ImageEncoder, is_image
from wm_lab.world_model import DataSpec


class Normaliser(nn.Module):
    """Per-dimension (x - mean) / std with statistics of the training split; constant dimensions stay harmless."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: list[float], std: list[float]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    @classmethod
    def of(cls, spec: DataSpec, key: str) -> Normaliser:
        size = 1 if key == "reward" else spec.observation[key][0]
        return cls(spec.mean.get(key, [0.0] * size), spec.std.get(key, [1.0] * size))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        return x * self.std + self.mean


class ObservationEncoder(nn.Module):
    """{key: [..., *shape]} -> one token [..., size] for every step, and what a latent can hold of it as it is.

    That is the vectors, and so many linear readings of the images' features: a keypoint is a position already, which
    stays one where no network comes between.
    """

    def __init__(self, spec: DataSpec, units: int, layers: int, depth: int, points: int, readings: int = 0):
        super().__init__()
        self.images, self.vectors = nn.ModuleDict(), nn.ModuleDict()
        width = pixels = 0
        for key, shape in spec.observation.items():
            if is_image(shape):
                encoder = ImageEncoder(spec, key, depth, points)
                self.images[key] = encoder
                pixels += encoder.size
            else:
                self.vectors[key] = Normaliser.of(spec, key)
                width += shape[0]
        self.mlp = mlp(width, units, layers) if width else None
        self.vector_size = width
        self.readings = nn.Linear(pixels, readings) if pixels and readings else None
        self.size = (units if width else 0) + pixels

    def forward(self, observation: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The token; and the normalised vectors side by side, with the readings of images behind them, [..., V]."""
        tokens = [net(observation[key]) for key, net in self.images.items()]
        held = [norm(observation[key]) for key, norm in self.vectors.items()]
        spoken = [] if self.mlp is None else [self.mlp(symlog(torch.cat(held, -1)))]
        if self.readings is not None:
            held.append(self.readings(torch.cat(tokens, -1)))
        token = torch.cat(tokens + spoken, -1)
        return token, torch.cat(held, -1) if held else token[..., :0]


class ObservationDecoder(nn.Module):
    """Features [..., F] -> {key: [..., *shape]} in the task's own units.

    Where the vectors stand in the features as they are (from `offset` on), the network only corrects them. Their error
    is counted in units of one-step changes, by a Huber loss since contact makes rare large ones: a block that seldom
    moves, but matters when it does, is otherwise lost among fast joints.
    Features beyond the first `inputs` are not read.
    """

    scale: Tensor

    def __init__(
        self,
        inputs: int,
        spec: DataSpec,
        units: int,
        layers: int,
        depth: int,
        max_precision: float,
        image_scale: float,
        offset: int | None = None,
    ):
        super().__init__()
        self.inputs, self.image_scale = inputs, image_scale
        self.images, self.vectors = nn.ModuleDict(), nn.ModuleDict()
        self.sizes: dict[str, int] = {}
        for key, shape in spec.observation.items():
            if is_image(shape):
                self.images[key] = ImageDecoder(inputs, spec, key, depth)
            else:
                self.vectors[key] = Normaliser.of(spec, key)
                self.sizes[key] = shape[0]
        self.register_buffer("scale", change_scale(spec, max_precision), persistent=False)
        self.offset, self.width = offset, sum(self.sizes.values())
        self.mlp = mlp(inputs, units, layers, self.width) if self.width else None
        if self.mlp is not None and offset is not None:
            zero(self.mlp[-1])

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Images come out as float in [0, 255]."""
        features = features[..., : self.inputs]
        out = {key: net(features).clamp(0, 1) * 255 for key, net in self.images.items()}
        pieces = self._vector(features).split(list(self.sizes.values()), -1)
        for (key, normaliser), piece in zip(self.vectors.items(), pieces, strict=True):
            assert isinstance(normaliser, Normaliser)
            out[key] = normaliser.inverse(piece)
        return out

    def loss(self, features: Tensor, observation: dict[str, Tensor]) -> Tensor:
        """An image's mean squared error (`Contrast`), weighed; Huber summed over vector dimensions: [...]."""
        features = features[..., : self.inputs]
        total = torch.zeros(features.shape[:-1], device=features.device)
        for key, net in self.images.items():
            error = net.contrast.error(net(features), observation[key])  # type: ignore[union-attr,operator]
            total = total + self.image_scale * error
        if self.vectors:
            target = torch.cat([norm(observation[key]) for key, norm in self.vectors.items()], -1)
            error = (self._vector(features) - target) / self.scale
            total = total + F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none").sum(-1)
        return total

    def _vector(self, features: Tensor) -> Tensor:
        if self.mlp is None:
            return features[..., :0]
        if self.offset is None:
            return symexp(self.mlp(features))
        return torch.addcmul(features[..., self.offset : self.offset + self.width], self.mlp(features), self.scale)


SAME_PLACE = 0.01
"""Decimetres: distances below a millimetre look alike, so that their gradient stays finite where two points meet."""
FAR_ENOUGH = 0.1
"""Decimetres: the direction to a point this near counts half, as it turns with every millimetre."""


class Relations(nn.Module):
    """Where observed points lie to one another, in decimetres, read off a latent that holds them.

    Differences and distances of all pairs, and the cosine of the angle at each point between each two others. Whether a
    finger touches a block is a matter of millimetres between two positions that differ by decimetres from episode to
    episode: a network finds that out of the differences much sooner than out of the positions. Distances are what most
    rewards are made of, and angles say who stands behind whom.
    """

    mean: Tensor
    std: Tensor
    corners: Tensor

    def __init__(self, spec: DataSpec):
        super().__init__()
        starts, offset = [], 0
        mean: list[float] = []
        std: list[float] = []
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            starts += [offset + start for start in spec.points.get(key, [])]
            offset += shape[0]
            mean += spec.mean.get(key, [0.0] * shape[0])
            std += spec.std.get(key, [1.0] * shape[0])
        self.index = [start + axis for start in starts for axis in range(3)]
        first, second = torch.triu_indices(len(starts), len(starts), 1)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        self.register_buffer("mean", torch.tensor(mean)[self.index] * 10, persistent=False)
        self.register_buffer("std", torch.tensor(std)[self.index] * 10, persistent=False)
        pairs = list(combinations(range(len(starts)), 2))
        corners = [(at, *pair) for at in range(len(starts)) for pair in pairs if at not in pair]
        self.register_buffer("corners", torch.tensor(corners, dtype=torch.long).reshape(-1, 3).T, persistent=False)
        self.size = 4 * len(first) + len(corners)

    def forward(self, z: Tensor) -> Tensor:
        """[..., Z] -> [..., 4 * pairs + corners]"""
        points = torch.addcmul(self.mean, z[..., self.index], self.std).unflatten(-1, (-1, 3))
        gaps = points[..., self.first, :] - points[..., self.second, :]
        at, one, other = (points[..., corner, :] for corner in self.corners)
        ways = torch.stack([one - at, other - at], -3)  # [..., 2, corners, 3]
        lengths = _length(ways) + FAR_ENOUGH
        cosines = (ways[..., 0, :, :] * ways[..., 1, :, :]).sum(-1) / lengths.prod(-2)
        return torch.cat([gaps.flatten(-2), _length(gaps), cosines], -1)


def _length(gaps: Tensor) -> Tensor:
    """[..., 3] -> [...]"""
    return (gaps.square().sum(-1) + SAME_PLACE**2).sqrt()


class Drift(nn.Module):
    """The linear guess of how normalised vectors change, from themselves and the action: where dynamics start out."""

    weight: Tensor
    bias: Tensor

    def __init__(self, spec: DataSpec, size: int):
        super().__init__()
        weight, bias = torch.zeros(size, size + spec.action_size), torch.zeros(size)
        offset = 0
        for key, shape in spec.observation.items():
            if is_image(shape):
                continue
            if key in spec.linear:
                guess = torch.tensor(spec.linear[key], dtype=torch.float64)
                mean, std = (torch.tensor(values[key], dtype=torch.float64) for values in (spec.mean, spec.std))
                own = slice(offset, offset + shape[0])
                from_x, from_action, constant = guess[: shape[0]], guess[shape[0] : -1], guess[-1]
                weight[own, own] = (std[:, None] * from_x / std).T.float()
                weight[own, size:] = (from_action / std).T.float()
                bias[own] = ((mean @ from_x + constant) / std).float()
            offset += shape[0]
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, z: Tensor, action: Tensor) -> Tensor:
        """The next z, [..., Z], from z and the action [..., A] that follows."""
        return z + F.linear(torch.cat([z, action], -1), self.weight, self.bias)


def change_scale(spec: DataSpec, max_precision: float) -> Tensor:
    """Typical one-step change of every vector dimension in normalised units, [V] in [1 / max_precision, 1]."""
    ratios = []
    for key, shape in spec.observation.items():
        if not is_image(shape):
            ones = [1.0] * shape[0]
            std, change = (torch.tensor(values.get(key, ones)) for values in (spec.std, spec.std_change))
            ratios.append((change / std).clamp(1 / max_precision, 1.0))
    return torch.cat(ratios) if ratios else torch.zeros(0)
