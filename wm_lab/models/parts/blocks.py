"""Network blocks shared by the world models, small to large."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wm_lab.models.parts.products import Linear


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|): compresses large magnitudes, linear near zero (DreamerV3, §Robust predictions)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """Inverse of `symlog`."""
    return x.sign() * x.abs().expm1()


def mlp(inputs: int, units: int, layers: int, outputs: int | None = None) -> nn.Sequential:
    """`layers` of Linear, LayerNorm, SiLU; then a plain Linear to `outputs` where given.

    DreamerV3 has RMSNorm there; LayerNorm does the same for these nets and is one fused operation on the CPU too.
    """
    stack: list[nn.Module] = []
    for _ in range(layers):
        stack += [Linear(inputs, units), nn.LayerNorm(units, eps=1e-4), nn.SiLU()]
        inputs = units
    if outputs is not None:
        stack.append(Linear(inputs, outputs))
    return nn.Sequential(*stack)


def zero(layer: nn.Module) -> None:
    """Make a linear layer start by predicting nothing."""
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


class BlockLinear(nn.Module):
    """`groups` independent linear maps side by side: [G, M, I/G] -> [G, M, O/G], one batched product."""

    def __init__(self, groups: int, inputs: int, outputs: int, fan_in: int | None = None):
        super().__init__()
        # Fan-in of the *whole* input, as in DreamerV3: a block sees 1/G of it, and starts G^(1/2) smaller.
        scale = (fan_in or inputs) ** -0.5
        self.weight = nn.Parameter(torch.randn(groups, inputs // groups, outputs // groups) * scale)
        self.bias = nn.Parameter(torch.zeros(groups, 1, outputs // groups))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class EnsembleMLP(nn.Module):
    """K independent two-layer networks on the same input: [..., I] -> [K, ..., O]."""

    def __init__(self, members: int, inputs: int, units: int, outputs: int):
        super().__init__()
        self.members = members
        self.first = BlockLinear(members, members * inputs, members * units, fan_in=inputs)
        self.second = BlockLinear(members, members * units, members * outputs, fan_in=units)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(1, -1, x.shape[-1]).expand(self.members, -1, -1)
        predictions: Tensor = self.second(F.silu(self.first(flat))).reshape(self.members, *x.shape[:-1], -1)
        return predictions


class TwoHot(nn.Module):
    """A scalar as a softmax over symexp-spaced bins (DreamerV3, §Critic learning); starts out predicting exactly 0.

    The outermost bins stand at symexp(limit). Targets beyond them count as the outermost; bins far beyond all targets
    are no harmless reserve, since whatever little probability is left on them moves the expectation by miles.
    """

    bins: Tensor

    def __init__(self, inputs: int, units: int, layers: int, bins: int = 255, limit: float = 20.0):
        super().__init__()
        self.net = mlp(inputs, units, layers, bins)
        zero(self.net[-1])
        half = symexp(torch.linspace(-limit, 0, bins // 2 + 1))
        self.register_buffer("bins", torch.cat([half, -half[:-1].flip(0)]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The expectation, [..., I] -> [...]; symmetric bins are summed pairwise so that 0 comes out exactly."""
        weighted = self.net(x).softmax(-1) * self.bins
        middle = self.bins.shape[0] // 2
        mean: Tensor = (weighted[..., :middle] + weighted[..., middle + 1 :].flip(-1)).sum(-1) + weighted[..., middle]
        return mean

    def loss(self, x: Tensor, *targets: Tensor) -> Tensor:
        """Cross-entropy against the two bins around a target [...], weighted by nearness in raw space -> [...].

        Of several targets the sum; the network is asked once.
        """
        log_p = self.net(x).log_softmax(-1)
        return torch.stack([self._against(log_p, target) for target in targets]).sum(0)

    def _against(self, log_p: Tensor, target: Tensor) -> Tensor:
        above = torch.searchsorted(self.bins, target.contiguous(), right=True).clamp(1, self.bins.shape[0] - 1)
        low, high = self.bins[above - 1], self.bins[above]
        weight = ((target - low) / (high - low)).clamp(0, 1)
        log_low, log_high = (log_p.gather(-1, i[..., None])[..., 0] for i in (above - 1, above))
        return -((1 - weight) * log_low + weight * log_high)


class Regression(nn.Module):
    """A scalar of about unit variance as a plain number, by a Huber loss; starts out predicting exactly 0.

    It tells apart what a softmax over bins of that width blurs, where the scalar follows from the features. It settles
    near the median: where the scalar comes by chance, `TwoHot` knows its mean.
    """

    FINE = 20.0  # errors beyond 1/20 count linearly

    def __init__(self, inputs: int, units: int, layers: int):
        super().__init__()
        self.net = mlp(inputs, units, layers, 1)
        zero(self.net[-1])

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [...]"""
        value: Tensor = self.net(x)[..., 0]
        return value

    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Against `target` [...] -> [...]."""
        return F.smooth_l1_loss(self.FINE * self(x), self.FINE * target, reduction="none")
