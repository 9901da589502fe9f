"""A small U-Net and a residual MLP whose normalisations adapt to a condition: the networks that denoise.

The U-Net is DIAMOND's (arXiv 2405.12399, appendix) in shape: residual blocks with adaptive group norm, strided
convolutions down, nearest neighbours up, attention in the middle alone.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.blocks import zero

Conv3x3 = partial(nn.Conv2d, kernel_size=3, padding=1)

GROUP = 32
"""Channels that one group norm puts together, where there are so many."""


class UNet(nn.Module):
    """Images [M, I, S, S] and conditions [M or 1, C] -> [M, O, S, S]; starts out predicting 0.

    Between its first and last convolution patch x patch pixels are one place; S / patch must halve len(channels) - 1
    times.
    """

    def __init__(self, inputs: int, outputs: int, channels: list[int], blocks: int, condition: int, patch: int = 1):
        super().__init__()
        block = partial(ResidualBlock, condition=condition)
        self.enter = nn.Conv2d(inputs, channels[0], patch + 2, stride=patch, padding=1)  # and the pixels next to it
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        width, skipped = channels[0], []
        for level, here in enumerate(channels):
            if level:
                self.down.append(Conv3x3(width, width, stride=2))
                skipped.append(width)
            for _ in range(blocks):
                self.down.append(block(width, here))
                skipped.append(here)
                width = here
        self.middle = nn.ModuleList([block(width, width), ImageAttention(width), block(width, width)])
        for level, here in reversed(list(enumerate(channels))):
            for _ in range(blocks + (level > 0)):
                self.up.append(block(width + skipped.pop(), here))
                width = here
            if level:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), Conv3x3(width, width)))
        last = Conv3x3(width, outputs * patch**2)
        self.leave = nn.Sequential(group_norm(width), nn.SiLU(), last, nn.PixelShuffle(patch))
        zero_convolution(last)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x, kept = self.enter(x), []
        for layer in self.down:
            x = layer(x, condition) if isinstance(layer, ResidualBlock) else layer(x)
            kept.append(x)
        for layer in self.middle:
            x = layer(x, condition) if isinstance(layer, ResidualBlock) else layer(x)
        for layer in self.up:
            x = layer(torch.cat([x, kept.pop()], 1), condition) if isinstance(layer, ResidualBlock) else layer(x)
        out: Tensor = self.leave(x)
        return out


class ResidualBlock(nn.Module):
    """Two convolutions around the identity, each after an adaptive group norm."""

    def __init__(self, inputs: int, outputs: int, condition: int):
        super().__init__()
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.norm1, self.norm2 = AdaptiveGroupNorm(inputs, condition), AdaptiveGroupNorm(outputs, condition)
        self.conv1, self.conv2 = Conv3x3(inputs, outputs), Conv3x3(outputs, outputs)
        zero_convolution(self.conv2)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x, condition)))
        out: Tensor = self.skip(x) + self.conv2(F.silu(self.norm2(h, condition)))
        return out


class AdaptiveGroupNorm(nn.Module):
    """Group norm with scale and shift read off the condition."""

    def __init__(self, channels: int, condition: int):
        super().__init__()
        self.norm, self.affine = group_norm(channels, affine=False), nn.Linear(condition, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.affine(condition)[..., None, None].chunk(2, 1)
        out: Tensor = self.norm(x) * (1 + scale) + shift
        return out


class ImageAttention(nn.Module):
    """Self-attention among all places of an image [M, C, S, S]."""

    def __init__(self, channels: int, head: int = 32):
        super().__init__()
        self.heads = max(1, channels // head)
        self.norm, self.qkv = group_norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        zero_convolution(self.out)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))  # [M, 3, heads, C/heads, S*S]
        q, k, v = parts.transpose(-1, -2).unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2)
        out: Tensor = x + self.out(attended.reshape(x.shape))
        return out


class AdaptiveMLP(nn.Module):
    """Residual blocks with adaptive layer norm: [M, I], conditions [M or 1, C] -> [M, O]; starts out predicting 0."""

    def __init__(self, inputs: int, outputs: int, units: int, layers: int, condition: int):
        super().__init__()
        self.enter = nn.Linear(inputs, units)
        self.norm = nn.LayerNorm(units, elementwise_affine=False, eps=1e-4)
        self.affine = nn.Linear(condition, 2 * units * layers)  # of all blocks at once
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(units, units), nn.SiLU(), nn.Linear(units, units)) for _ in range(layers)
        )
        self.leave = nn.Sequential(nn.LayerNorm(units, eps=1e-4), nn.Linear(units, outputs))
        zero(self.leave[-1])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x, affine = self.enter(x), self.affine(condition).chunk(2 * len(self.blocks), -1)
        for block, scale, shift in zip(self.blocks, affine[::2], affine[1::2], strict=True):
            x = x + block(self.norm(x) * (1 + scale) + shift)
        out: Tensor = self.leave(x)
        return out


class NoiseEmbedding(nn.Module):
    """c_noise [M] -> [M, C]: sines and cosines of random frequencies (Tancik et al., arXiv 2006.10739)."""

    frequencies: Tensor

    def __init__(self, condition: int):
        super().__init__()
        self.register_buffer("frequencies", torch.randn(condition // 2) * 2 * math.pi)

    def forward(self, noise: Tensor) -> Tensor:
        angle = noise[:, None] * self.frequencies
        return torch.cat([angle.cos(), angle.sin()], -1)


def group_norm(channels: int, affine: bool = True) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // GROUP), channels, affine=affine)


def zero_convolution(layer: nn.Module) -> None:
    """Make a convolution start by adding nothing."""
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
