"""Recorded actions, and how they come into the lab's [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.alignment import Unreadable

FAINT = 0.01
"""Actions that never exceed this are in a unit far too large for [-1, 1], such as steps in metres."""


@dataclass(frozen=True)
class RecordedScale:
    """Between a recording's actions and the lab's [-1, 1]. A dimension that fills some of it already stays as it is."""

    low: np.ndarray  # [A]
    high: np.ndarray  # [A]

    @classmethod
    def of(cls, parts: Iterable[np.ndarray], name: str) -> RecordedScale:
        """The smallest that holds the actions [n, A] of all parts."""
        lows, highs = [], []
        for part in parts:
            if len(part):
                lows.append(np.where(np.isfinite(part), part, np.inf).min(0))
                highs.append(np.where(np.isfinite(part), part, -np.inf).max(0))
        if not lows:
            raise UserError(f"{name} holds no action; record some episodes first")
        low, high = np.min(lows, 0).astype(np.float64), np.max(highs, 0).astype(np.float64)
        largest = np.maximum(np.abs(low), np.abs(high))
        inside = ((low >= -1) & (high <= 1) & (largest >= FAINT)) | (largest == 0)
        return cls(np.where(inside, -1.0, low), np.where(inside, 1.0, high))

    @property
    def is_identity(self) -> bool:
        return bool((self.low == -1).all() and (self.high == 1).all())

    def normalise(self, raw: np.ndarray) -> np.ndarray:
        """[L, A] in the recording's units -> float32 in [-1, 1]; what is infinite becomes NaN, for it is no number"""
        half = (self.high - self.low) / 2
        raw = numbers_of_actions(raw, len(self.low))
        scaled = (raw - (self.high + self.low) / 2) / np.where(half > 0, half, 1.0)
        return np.where(np.isfinite(raw), np.clip(scaled, -1, 1), np.nan).astype(np.float32)

    def settings(self) -> dict[str, Any]:
        """For the task specification, since it is what this task's actions mean; nothing where they are as recorded."""
        return {} if self.is_identity else {"action_low": self.low.tolist(), "action_high": self.high.tolist()}


def numbers_of_actions(values: np.ndarray, size: int | None = None) -> np.ndarray:
    """Recorded actions [L, A]; flat ones are of one number each. Unreadable unless they are numbers, `size` of them."""
    if values.dtype.kind not in "fiu":
        raise Unreadable(f"has actions of type {values.dtype}, which are no numbers")
    if not len(values):
        raise Unreadable("has no actions")
    if values.ndim not in (1, 2) or not values.size:
        raise Unreadable(f"has actions of shape {list(values.shape)}, which are not one vector a step")
    actions = values.reshape(len(values), -1)
    if size is not None and actions.shape[1] != size:
        raise Unreadable(f"has actions of {actions.shape[1]} numbers, where others have {size}")
    return actions
