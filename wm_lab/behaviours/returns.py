"""Returns of imagined and of replayed steps, and the scale that makes them alike in every task.

Aligned on arrival: reward and continuation of index t belong to state t, the action of index t leaves it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def lambda_returns(reward: Tensor, goes_on: Tensor, bootstrap: Tensor, mixing: float) -> Tensor:
    """λ-returns [..., H] of the states 0 to H - 1 (DreamerV3, equation 7).

        R_t = r_{t+1} + c_{t+1} [(1 - λ) v_{t+1} + λ R_{t+1}],    R_H = v_H

    reward, goes_on, bootstrap: [..., H + 1] r, c and v of every state; `goes_on` holds the discount, and is 0 where the
    episode ends. mixing: λ
    """
    following = bootstrap[..., -1]
    returns = []
    for t in range(reward.shape[-1] - 1, 0, -1):
        expected = torch.lerp(bootstrap[..., t], following, mixing)
        following = reward[..., t] + goes_on[..., t] * expected
        returns.append(following)
    return torch.stack(returns[::-1], -1)


def replayed_returns(
    reward: Tensor, goes_on: Tensor, linked: Tensor, bootstrap: Tensor, mixing: float
) -> tuple[Tensor, Tensor]:
    """λ-returns [B, T - 1] along recorded steps, and which of them there are (bool).

    linked: [B, T], a step follows the one before it in the same episode. Where none follows, there is no return, and
    the λ-return of the step before takes the bootstrap. bootstrap: [B, T], such as the imagined return of every step
    """
    following, returns = bootstrap[:, -1], []
    for t in range(reward.shape[1] - 1, 0, -1):
        expected = torch.lerp(bootstrap[:, t], following, mixing)
        arrived = reward[:, t] + goes_on[:, t] * expected
        following = torch.where(linked[:, t], arrived, bootstrap[:, t - 1])
        returns.append(following)
    return torch.stack(returns[::-1], 1), linked[:, 1:]


class ReturnScale(nn.Module):
    """Running distance between the 5th and the 95th percentile of returns, at least 1 (DreamerV3, equation 12).

    Advantages are divided by it, so that one weight of the entropy fits every task; small returns are not blown up.
    """

    RATE = 0.01
    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        low, high = torch.quantile(returns.float().flatten(), torch.tensor([0.05, 0.95], device=returns.device))
        self.low.lerp_(low, self.RATE)
        self.high.lerp_(high, self.RATE)

    @torch.no_grad()
    def shrink(self, share: float) -> None:
        """From now on returns count in a larger unit, and are this share of what they were."""
        self.low.mul_(share)
        self.high.mul_(share)

    def forward(self) -> Tensor:
        """[]"""
        return (self.high - self.low).clamp_min(1.0)
