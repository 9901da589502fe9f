"""The last few observations of every episode."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wm_lab.policy import Moment


class History:
    """Keeps the last `length` observations of B episodes; before an episode has that many, its first one repeats."""

    def __init__(self, keys: tuple[str, ...], length: int) -> None:
        self.keys, self.length = keys, length
        self.start(0)

    def start(self, rows: int) -> None:
        """Make room for `rows` episodes and forget all earlier ones."""
        self._rows = rows
        self._stacked: dict[str, np.ndarray] = {}  # {key: [B, length, ...]}, oldest first

    def update(self, moment: Moment) -> None:
        rows, first = moment.rows, moment.first
        for key in self.keys:
            now = moment.observation[key]
            if key not in self._stacked:
                self._stacked[key] = np.zeros((self._rows, self.length, *now.shape[1:]), now.dtype)
            past = self._stacked[key][rows]
            past = np.concatenate([past[:, 1:], now[:, None]], axis=1)
            past[first] = now[first, None]
            self._stacked[key][rows] = past

    def stacked(self, rows: np.ndarray, device: torch.device | str = "cpu") -> dict[str, Tensor]:
        """{key: [R, length, ...]}, oldest first."""
        return {key: torch.from_numpy(self._stacked[key][rows]).to(device) for key in self.keys}
