"""Finite scalar quantisation (Mentzer et al. 2023, arXiv 2309.15505, §3.1).

A code is a handful of numbers, each rounded to one of few levels; the codebook is the grid of all combinations. There
is nothing to learn in it, so nothing can collapse: no codebook loss, no moving averages, no revival of dead codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wm_lab.errors import UserError


class FSQ(nn.Module):
    """Codes of `len(levels)` numbers in [-1, 1]; `size` of them.

    All arithmetic is float32, under autocast too: bfloat16 would round away half of a larger codebook.
    """

    grid: Tensor
    levels: Tensor
    place: Tensor

    def __init__(self, levels: Sequence[int]):
        super().__init__()
        check_levels(levels)
        self.dims, self.size = len(levels), math.prod(levels)
        place = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.float32), persistent=False)
        self.register_buffer("place", torch.tensor(place), persistent=False)
        digits = torch.arange(self.size)[:, None] // self.place % self.levels.long()
        self.register_buffer("grid", (digits - self._middle) / self._middle, persistent=False)  # [size, dims]

    def forward(self, raw: Tensor) -> Tensor:
        """Any numbers [..., dims] -> codes [..., dims]; the gradient passes as if nothing had been rounded."""
        # Slightly wider than the outermost levels, so that tanh reaches them; an even number of levels lies off centre.
        half = (self.levels - 1) * (1 + 1e-3) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        bounded = (raw.float() + (offset / half).atanh()).tanh() * half - offset
        return (bounded + (bounded.round() - bounded).detach()) / self._middle

    def index(self, code: Tensor) -> Tensor:
        """Codes [..., dims] -> their places in the codebook [...]."""
        digits = (code.float() * self._middle + self._middle).round().long()
        return (digits * self.place).sum(-1)

    def code(self, index: Tensor) -> Tensor:
        """Places [...] in the codebook -> codes [..., dims]."""
        return self.grid[index]

    def expected(self, logits: Tensor) -> Tensor:
        """The mean code under logits [..., size] -> [..., dims]: it lies between the levels, finer than any of them."""
        with torch.autocast(logits.device.type, enabled=False):
            return logits.float().softmax(-1) @ self.grid

    @property
    def _middle(self) -> Tensor:
        return self.levels // 2


def check_levels(levels: Sequence[int], name: str = "model.levels", least: int = 2) -> None:
    """Two levels are hardly taught: `tanh` is flat where they lie, a little off the middle (see `FSQ.forward`)."""
    if not levels or min(levels) < least:
        raise UserError(f"{name}={list(levels)} must be numbers of at least {least}, such as [8, 6, 5]")
