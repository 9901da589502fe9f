"""Denoising diffusion with EDM's preconditioning, noise levels and sampler (Karras et al. 2022, arXiv 2206.00364).

    D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)                                   (eq. 7, table 1)
    loss = |F - (y - c_skip x) / c_out|^2     for x = y + sigma * noise, ln sigma normal (eq. 8, lambda = c_out^-2)
    dx / d sigma = (x - D(x; sigma)) / sigma  from sigma_max down to 0                  (eq. 3)

Whatever F is, its input and its target have unit variance if the data have `sigma_data`. Even one step from sigma_max
is useful: it lands on D(0; sigma_max), the mean of the data given what F is conditioned on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
"""F: (c_in x [M, ...], c_noise [M] or [1]) -> [M, ...]"""

ORDERS = ("euler", "heun")
"""Of the sampler: heun asks the network twice a step, but for the last."""


@dataclass(frozen=True)
class NoiseLevels:
    """DIAMOND's (arXiv 2405.12399, table 4)."""

    sigma_data: float = 0.5  # standard deviation of what is drawn, in its own units
    sigma_offset: float = 0.3  # of noise that all pixels of a channel share: an image's brightness is learnt too
    sigma_min: float = 0.002  # the sampler ends at it
    sigma_max: float = 5.0  # the sampler begins at it
    rho: float = 7.0  # how much closer the sampling steps lie where there is little noise (eq. 5); 1: evenly
    p_mean: float = -0.4  # of ln sigma in training
    p_std: float = 1.2  # of ln sigma in training
    trained: tuple[float, float] = (0.002, 20.0)  # beyond these nothing is ever trained


DIAMOND = NoiseLevels()


class Scalings(NamedTuple):
    """Karras et al., table 1; each in the shape of sigma."""

    c_in: Tensor
    c_skip: Tensor
    c_out: Tensor
    c_noise: Tensor


class EDM:
    """Trains a network, and samples it in `steps` steps of `order`; holds no weights."""

    def __init__(self, steps: int = 1, order: str = "euler", levels: NoiseLevels = DIAMOND):
        self.steps, self.order, self.levels = steps, order, levels

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma): the expected clean data [M, ...] given x [M, ...] with noise of deviation sigma, [M] or [1]."""
        scalings = self.scalings(sigma)
        c_in, c_skip, c_out = (beside(value, x) for value in scalings[:3])
        return c_skip * x + c_out * network(c_in * x, scalings.c_noise)

    def loss(self, network: Network, y: Tensor) -> Tensor:
        """Squared error of F in units where its target has variance 1, for clean y [M, ...] at random noise levels."""
        sigma = self.draw_sigma(y.shape[0], y.device)
        x = y + beside(sigma, y) * torch.randn_like(y)
        if self.levels.sigma_offset:
            x = x + self.levels.sigma_offset * torch.randn(*y.shape[:2], *[1] * (y.ndim - 2), device=y.device)
        scalings = self.scalings(sigma)
        c_in, c_skip, c_out = (beside(value, x) for value in scalings[:3])
        return (network(c_in * x, scalings.c_noise) - (y - c_skip * x) / c_out).square()

    def sample(self, network: Network, noise: Tensor) -> Tensor:
        """Clean data from noise of unit deviation [M, ...]; zeros, its most likely value, give always the same."""
        sigmas = self.sigmas()
        x = noise * sigmas[0]
        for sigma, lower in pairwise(sigmas):
            d = self._slope(network, x, sigma)
            if self.order == "heun" and lower > 0:
                d = (d + self._slope(network, x + (lower - sigma) * d, lower)) / 2
            x = x + (lower - sigma) * d
        return x

    def scalings(self, sigma: Tensor) -> Scalings:
        variance, data = sigma.square() + self.levels.sigma_offset**2, self.levels.sigma_data**2
        c_skip = data / (variance + data)
        return Scalings(
            (variance + data).rsqrt(), c_skip, (variance * c_skip).sqrt(), variance.sqrt().clamp_min(1e-8).log() / 4
        )

    def sigmas(self) -> list[float]:
        """Falling noise levels of the sampler and the 0 that they end in, `steps` + 1 of them (eq. 5)."""
        rho = self.levels.rho
        high, low = self.levels.sigma_max ** (1 / rho), self.levels.sigma_min ** (1 / rho)
        ramp = [i / max(1, self.steps - 1) for i in range(self.steps)]
        return [*((high + share * (low - high)) ** rho for share in ramp), 0.0]

    def draw_sigma(self, rows: int, device: torch.device) -> Tensor:
        """Log-normal noise levels [M] for training."""
        levels = self.levels
        return (levels.p_mean + levels.p_std * torch.randn(rows, device=device)).exp().clamp(*levels.trained)

    def _slope(self, network: Network, x: Tensor, sigma: float) -> Tensor:
        return (x - self.denoise(network, x, x.new_full((1,), sigma))) / sigma


def beside(values: Tensor, x: Tensor) -> Tensor:
    """values [M], shaped to multiply x [M, ...]."""
    return values.reshape(-1, *[1] * (x.ndim - 1))
