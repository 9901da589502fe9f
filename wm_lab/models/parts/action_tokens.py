"""Actions as tokens, as in RT-2 (Brohan et al. 2023, arXiv 2307.15818) and OpenVLA (Kim et al. 2024, arXiv 2406.09246).

Each dimension of an action is one of `bins` numbers, evenly spaced from -1 to 1, both of which are among them: what is
rounded to them is off by half a bin at most. All tokens of a chunk come out of one pass (as in OpenVLA-OFT,
arXiv 2502.19645): an expert's action is mostly the one before it, and a decoder that reads its own tokens learns to
copy. Every token is an action, so that decoding cannot fail; what is not a number stays none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from wm_lab.domains import Domain
from wm_lab.errors import unknown
from wm_lab.models.parts.blocks import mlp
from wm_lab.models.parts.flow import ActionHead

DECODES = ("argmax", "mean", "sample")


@dataclass
class TokensConfig:
    bins: Annotated[int, Domain(least=2, most=4096)] = 256  # numbers that an action's dimension can be
    smoothing: Annotated[float, Domain(least=0, most=100)] = 0.0
    """Standard deviation, in bins, by which a label is spread over its neighbours; 0: the nearest bin alone."""
    decode: str = "argmax"
    """argmax: the likeliest bin; mean: their expectation, as a regression; sample: one by its probability."""

    def __post_init__(self) -> None:
        if self.decode not in DECODES:
            raise unknown("way to decode tokens", self.decode, DECODES)


class Bins:
    """The numbers that stand for tokens 0 to `count` - 1."""

    def __init__(self, count: int) -> None:
        self.count = count

    def encode(self, actions: Tensor) -> Tensor:
        """[...] in [-1, 1] -> the nearest token, [...] int64"""
        return ((actions.clamp(-1, 1) + 1) / 2 * (self.count - 1)).round().long()

    def decode(self, tokens: Tensor) -> Tensor:
        """[...] -> [...] in [-1, 1]"""
        return tokens / (self.count - 1) * 2 - 1

    def centres(self, like: Tensor) -> Tensor:
        """[count], from -1 to 1"""
        return self.decode(torch.arange(self.count, device=like.device, dtype=like.dtype))

    def labels(self, actions: Tensor, smoothing: float) -> Tensor:
        """[...] -> [..., count] that sum to one: a bell of this deviation, in bins, around where the action lies."""
        place = (actions.clamp(-1, 1) + 1) / 2 * (self.count - 1)
        away = torch.arange(self.count, device=actions.device) - place[..., None]
        return (-(away**2) / (2 * smoothing**2)).softmax(-1)


class TokenHead(ActionHead):
    """Logits of every token of a chunk at once; the loss is their cross-entropy."""

    def __init__(self, condition: int, chunk: int, action_size: int, units: int, layers: int, config: TokensConfig):
        super().__init__(chunk, action_size)
        self.config, self.bins = config, Bins(config.bins)
        self.draws = config.decode == "sample"
        self.net = mlp(condition, units, layers, chunk * action_size * config.bins)

    def errors(self, condition: Tensor, actions: Tensor) -> Tensor:
        logits = self.logits(condition)
        if self.config.smoothing:
            labels = self.bins.labels(actions, self.config.smoothing)
            return -(labels * logits.log_softmax(-1)).sum(-1)
        tokens = self.bins.encode(actions)
        return F.cross_entropy(logits.flatten(0, -2), tokens.flatten(), reduction="none").view(actions.shape)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        logits = self.logits(condition)
        if self.config.decode == "mean":
            return (logits.softmax(-1) * self.bins.centres(logits)).sum(-1)
        if self.config.decode == "argmax":
            tokens = logits.argmax(-1)
        else:  # the bin in which as much probability lies below as lies below the noise among all noise
            share = torch.special.ndtr(noise)[..., None]
            tokens = (logits.softmax(-1).cumsum(-1) < share).sum(-1).clamp_max(self.bins.count - 1)
        return self.bins.decode(tokens) + 0.0 * logits.sum(-1)  # NaN where logits are none: an index hides it

    def logits(self, condition: Tensor) -> Tensor:
        """[..., C] -> [..., chunk, A, bins]"""
        logits: Tensor = self.net(condition).unflatten(-1, (*self.shape, self.bins.count))
        return logits
