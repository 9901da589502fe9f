"""What keeps embeddings apart, without which all of them would become one point that is easy to predict; and how to
notice when they did.

Embeddings are [B, T, Z]; those that do not count, since they are padding, are told by `valid` [B, T].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

KNOTS, REACH = 17, 3.0
"""Of the integral over t in [-3, 3] (LeJEPA, MINIMAL.md)."""

FLOOR = 1.05
"""SIGReg of any number of draws from a standard normal distribution, on average."""


class SIGReg(nn.Module):
    """Sketched isotropic Gaussian regularisation (LeJEPA, arXiv 2511.08544; LeWM, arXiv 2603.19312).

    Epps-Pulley's test of normality along random directions a of the embeddings z of each step t of the windows:

        n  integral |mean exp(i s a'z) - exp(-s^2 / 2)|^2  exp(-s^2 / 2) ds,  averaged over directions and steps
    """

    knots: Tensor
    gauss: Tensor  # the characteristic function of a standard normal variable, and the weight of the integral
    weight: Tensor

    def __init__(self, directions: int) -> None:
        super().__init__()
        self.directions = directions
        knots = torch.linspace(0, REACH, KNOTS)  # the integrand is even
        gauss = (-knots.square() / 2).exp()
        trapezoid = torch.full((KNOTS,), 2 * REACH / (KNOTS - 1))
        trapezoid[[0, -1]] /= 2
        self.register_buffer("knots", knots, persistent=False)
        self.register_buffer("gauss", gauss, persistent=False)
        self.register_buffer("weight", gauss * trapezoid, persistent=False)

    def forward(self, embedded: Tensor, valid: Tensor) -> Tensor:
        counts = valid.to(embedded.dtype)[..., None, None]  # [B, T, 1, 1]
        rows = counts.sum(0)
        directions = torch.randn(embedded.shape[-1], self.directions, device=embedded.device)
        phase = (embedded @ (directions / directions.norm(dim=0)))[..., None] * self.knots  # [B, T, D, K]
        real, imaginary = ((part * counts).sum(0) / rows.clamp_min(1) for part in (phase.cos(), phase.sin()))
        gap = (real - self.gauss).square() + imaginary.square()  # [T, D, K]
        tests = (gap @ self.weight).mean(-1) * rows[:, 0, 0]
        mean: Tensor = tests.sum() / (rows > 0).sum().clamp_min(1)
        return mean


def variance_covariance(embedded: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """What each variable lacks of a standard deviation of 1, on average; and the squared covariances of two variables,
    summed and divided by Z (VICReg, arXiv 2105.04906, eq. 1 to 4; PLDM, arXiv 2502.14819)."""
    counts = valid.to(embedded.dtype)[..., None]
    total = counts.sum()
    gap = (embedded - (embedded * counts).sum((0, 1)) / total.clamp_min(1)) * counts
    flat = gap.flatten(0, 1)
    covariance = flat.T @ flat / (total - 1).clamp_min(1)
    variance = covariance.diagonal()
    missing = (1 - (variance + 1e-4).sqrt()).clamp_min(0).mean()
    return missing, (covariance.square().sum() - variance.square().sum()) / embedded.shape[-1]


def effective_rank(embedded: Tensor) -> float:
    """exp of the entropy of the normalised singular values of embeddings [M, Z] about their mean (Roy and Vetterli
    2007, §3): how many directions they fill. Spreads below a tenth are none, so that a point fills 0."""
    gap = embedded.detach().double()
    gap = gap - gap.mean(0)
    spread = torch.linalg.eigvalsh(gap.T @ gap / max(len(gap), 1)).clamp_min(0).sqrt()
    spread = spread[spread > NOTHING]
    share = spread / spread.sum()
    return float(torch.special.entr(share).sum().exp()) if len(spread) else 0.0


NOTHING = 0.1
"""Standard deviation of embeddings along a direction, which a regulariser holds near 1."""
