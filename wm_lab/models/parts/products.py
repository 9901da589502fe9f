"""Products with weights, on processors where PyTorch's own run at half speed.

PyTorch multiplies float32 matrices by MKL, which has AVX-512 for Intel's processors alone: on an AMD that has it,
oneDNN's product takes half as long (Zen 5: 240 instead of 110 GFLOPS). It asks for more before it begins, so small
products stay where they are. Sums over up to 192 numbers run in the same order, and to the same bits; longer ones round
otherwise.
"""

from __future__ import annotations

import platform
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST = 4_000_000
"""Multiplications of a product at least, for oneDNN to be asked."""


def slow_here() -> bool:
    """Whether PyTorch's products use half of what this processor can do."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.backends.mkldnn.is_available():
        return False
    facts = Path("/proc/cpuinfo")
    maker = facts.read_text(encoding="utf-8") if facts.exists() else platform.processor()
    return "AuthenticAMD" in maker and _answers()


def _answers() -> bool:
    """Whether this PyTorch has oneDNN's product as it is asked for here: it is none of its public functions."""
    x, weight, bias = torch.ones(2, 3), torch.ones(4, 3), torch.ones(4)
    try:
        return torch.equal(_by_onednn(x, weight, bias), F.linear(x, weight, bias))
    except (AttributeError, RuntimeError, TypeError):
        return False


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, weight, bias, "none", [], "")
    return product


SLOW = slow_here()


class Linear(nn.Linear):
    """As PyTorch's, with the same weights and names."""

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., I], weight [O, I] and bias [O] -> [..., O]; without autograd, and in float32, by whoever is faster."""
    if (
        not SLOW
        or torch.is_grad_enabled()
        or torch.compiler.is_compiling()
        or x.numel() * weight.shape[0] < LEAST
        or not x.dtype == weight.dtype == torch.float32
        or x.device.type != "cpu"
        or torch.is_autocast_enabled("cpu")
    ):
        return F.linear(x, weight, bias)
    return _by_onednn(x, weight, bias)
