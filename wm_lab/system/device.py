"""Which device computes."""

from __future__ import annotations

import torch
from torch import nn

from wm_lab.errors import unknown

KNOWN = ("auto", "cpu", "cuda", "mps")


def choose_device(wish: str) -> str:
    """ "cpu", "cuda", "cuda:1" or "mps"; "auto" takes the best there is. UserError where the wish cannot be met."""
    kind, _, number = wish.partition(":")
    if kind not in KNOWN:
        raise unknown("device", wish, KNOWN)
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and int(number or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if not available[kind]:
        raise unknown("device on this machine", wish, [name for name, there in available.items() if there])
    return wish


def device_of(module: nn.Module) -> torch.device:
    """Where a model computes; one without weights, such as the simulator, on the CPU."""
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))
