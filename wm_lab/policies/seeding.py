"""Random streams that belong to an episode."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def derive_seed(seed: int, name: str) -> int:
    """A seed for one use of randomness in an episode, unrelated to those of other uses and other episodes."""
    return int(
        np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1, np.uint64)[0] >> np.uint64(1)
    )


def generator(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(seed, name))
