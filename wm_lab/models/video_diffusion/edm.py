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
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from wm_lab.domains import Domain, Few, Positive, Spread
from wm_lab.errors import UserError

Network = Callable[[Tensor, Tensor], Tensor]
"""F: (c_in x [M, ...], c_noise [M] or [1]) -> [M, ...]"""

ORDERS = ("euler", "heun")
TRAINED = (0.002, 20.0)
"""Noise levels beyond these are never trained (DIAMOND)."""


@dataclass
class EDMConfig:
    """Defaults are DIAMOND's (arXiv 2405.12399, table 4), but for the number of steps."""

    steps: Few = 1
    """Of the sampler: 1 gives the mean and is what planning wants, 3 or more choose one sharp future."""
    order: str = "euler"
    """Or heun, which asks the network twice a step, but for the last."""
    sigma_data: Positive = 0.5
    """Standard deviation of what is drawn, in its own units (EDM, Karras et al. 2022)."""
    sigma_offset: Spread = 0.3
    """Of noise that all pixels of a channel share, so that an image's brightness is learnt too (images only)."""
    sigma_min: Positive = 0.002
    """Noise level that the sampler ends at."""
    sigma_max: Positive = 5.0
    """Noise level that the sampler begins at."""
    rho: Positive = 7.0
    """How much closer the sampling steps lie where there is little noise (EDM, eq. 5); 1: evenly."""
    noise_mean: Annotated[float, Domain(least=-100, most=100)] = -0.4
    """Of ln sigma in training: more shows the network more noise (the paper's P_mean)."""
    noise_std: Annotated[float, Domain(above=0, most=100)] = 1.2
    """Of ln sigma in training; the paper's P_mean and P_std."""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise UserError(f"model.order={self.order!r} is not known; choose {' or '.join(ORDERS)}")
        if self.sigma_max <= self.sigma_min:
            raise UserError(
                f"model.sigma_max={self.sigma_max} leaves nothing to denoise above model.sigma_min={self.sigma_min}; "
                "raise it"
            )


class Scalings(NamedTuple):
    """Karras et al., table 1; each in the shape of sigma."""

    c_in: Tensor
    c_skip: Tensor
    c_out: Tensor
    c_noise: Tensor


class EDM:
    """Trains and samples a network; holds no weights. `offset` overrides `sigma_offset` for data without pixels."""

    def __init__(self, config: EDMConfig, offset: float | None = None):
        self.config = config
        self.offset = config.sigma_offset if offset is None else offset

    def denoise(self, network: Network, x: Tensor, sigma: Tensor) -> Tensor:
        """D(x; sigma): the expected clean data [M, ...] given x [M, ...] with noise of deviation sigma, [M] or [1]."""
        scalings = self.scalings(sigma)
        c_in, c_skip, c_out = (beside(value, x) for value in scalings[:3])
        return c_skip * x + c_out * network(c_in * x, scalings.c_noise)

    def loss(self, network: Network, y: Tensor) -> Tensor:
        """Squared error of F in units where its target has variance 1, for clean y [M, ...] at random noise levels."""
        sigma = self.draw_sigma(y.shape[0], y.device)
        x = y + beside(sigma, y) * torch.randn_like(y)
        if self.offset:
            x = x + self.offset * torch.randn(*y.shape[:2], *[1] * (y.ndim - 2), device=y.device)
        scalings = self.scalings(sigma)
        c_in, c_skip, c_out = (beside(value, x) for value in scalings[:3])
        return (network(c_in * x, scalings.c_noise) - (y - c_skip * x) / c_out).square()

    def sample(self, network: Network, noise: Tensor) -> Tensor:
        """Clean data from noise of unit deviation [M, ...]; zeros, its most likely value, give always the same."""
        levels = self.sigmas()
        x = noise * levels[0]
        for sigma, lower in pairwise(levels):
            d = self._slope(network, x, sigma)
            if self.config.order == "heun" and lower > 0:
                d = (d + self._slope(network, x + (lower - sigma) * d, lower)) / 2
            x = x + (lower - sigma) * d
        return x

    def scalings(self, sigma: Tensor) -> Scalings:
        variance, data = sigma.square() + self.offset**2, self.config.sigma_data**2
        c_skip = data / (variance + data)
        return Scalings(
            (variance + data).rsqrt(), c_skip, (variance * c_skip).sqrt(), variance.sqrt().clamp_min(1e-8).log() / 4
        )

    def sigmas(self) -> list[float]:
        """Falling noise levels of the sampler and the 0 that they end in, `steps` + 1 of them (eq. 5)."""
        c = self.config
        high, low = c.sigma_max ** (1 / c.rho), c.sigma_min ** (1 / c.rho)
        ramp = [i / max(1, c.steps - 1) for i in range(c.steps)]
        return [*((high + share * (low - high)) ** c.rho for share in ramp), 0.0]

    def draw_sigma(self, rows: int, device: torch.device) -> Tensor:
        """Log-normal noise levels [M] for training."""
        return (self.config.noise_mean + self.config.noise_std * torch.randn(rows, device=device)).exp().clamp(*TRAINED)

    def _slope(self, network: Network, x: Tensor, sigma: float) -> Tensor:
        return (x - self.denoise(network, x, x.new_full((1,), sigma))) / sigma


def beside(values: Tensor, x: Tensor) -> Tensor:
    """values [M], shaped to multiply x [M, ...]."""
    return values.reshape(-1, *[1] * (x.ndim - 1))
