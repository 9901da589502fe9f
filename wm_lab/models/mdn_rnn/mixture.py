"""A mixture of normal distributions for every number of a latent, and what temperature makes of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

LOG_ROOT = 0.5 * math.log(2 * math.pi)


class Mixture(NamedTuple):
    """K normals for each of Z dimensions, which are independent of one another: all [..., Z, K] (Bishop 1994)."""

    logits: Tensor  # of the weights
    mean: Tensor
    std: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """ln sum_k w_k N(z; mean_k, std_k), in nats: [..., Z] -> [..., Z]."""
        distance = (z[..., None] - self.mean) / self.std
        component = -(0.5 * distance.square() + self.std.log() + LOG_ROOT)
        return torch.logsumexp(self.logits.log_softmax(-1) + component, -1)

    def expected(self) -> Tensor:
        """[..., Z]"""
        return (self.logits.softmax(-1) * self.mean).sum(-1)

    def tempered(self, temperature: float) -> Mixture:
        """The same, drawn from more boldly above 1, more timidly below: weights are raised to 1/τ and normalised anew,
        variances multiplied by τ (Ha & Schmidhuber, appendix A.2; Ha & Eck 2017, equation 8)."""
        return Mixture(self.logits / temperature, self.mean, self.std * math.sqrt(temperature))

    def sample(self) -> Tensor:
        """A draw [..., Z]: of a component first, and then of its normal."""
        race = -torch.rand_like(self.logits).log()  # the first of arrivals with rates w_k is k with probability w_k
        chosen = (self.logits - race.log()).argmax(-1, keepdim=True)
        mean, std = (part.gather(-1, chosen)[..., 0] for part in (self.mean, self.std))
        return torch.addcmul(mean, std, torch.randn_like(mean))
