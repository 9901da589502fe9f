"""The best candidates of a search, and the Gaussian fitted to them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Elites(NamedTuple):
    """The E best candidates, best first."""

    knots: Tensor  # [B, E, K, A]
    scores: Tensor  # [B, E]; -inf marks an invalid candidate

    @classmethod
    def of(cls, knots: Tensor, scores: Tensor, count: int) -> Elites:
        """The `count` best of the candidates [B, N, K, A] with scores [B, N]."""
        best, index = scores.topk(count, dim=1)
        rows = torch.arange(len(knots), device=knots.device)[:, None]
        return cls(knots[rows, index], best)

    @property
    def valid(self) -> Tensor:
        """[B, E] bool, those with a finite score."""
        return self.scores > -torch.inf

    def fit(self, weights: Tensor, mean: Tensor, std: Tensor, std_min: Tensor) -> tuple[Tensor, Tensor]:
        """Move mean and std [B, K, A] to the elites' weighted moments.

        Nothing of the old ones is kept: momentum only slows a search that starts anew at every step of control.

        std_min: [A], the floor of std
        weights: [B, E] >= 0, zero where not valid; a row without any weight keeps its mean and std.
        """
        total = weights.sum(dim=1, keepdim=True)
        normalised = (weights / total.clamp_min(torch.finfo(weights.dtype).tiny))[:, :, None, None]
        new_mean = (normalised * self.knots).sum(dim=1)
        new_std = (normalised * (self.knots - new_mean[:, None]).square()).sum(dim=1).sqrt()
        refit = (total > 0)[:, :, None]  # [B, 1, 1]
        mean = torch.where(refit, new_mean, mean)
        std = torch.where(refit, new_std.clamp_min(std_min), std)
        return mean, std
