"""What an environment is handed as its action: of its own dtype, inside its bounds, and an array of its own."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces


class ActionScale:
    """[-1, 1] to the numbers of a bounded Box, whole ones where it holds whole ones, and back."""

    def __init__(self, box: spaces.Box) -> None:
        self._box = box
        self._low, self._high = box.low.astype(float), box.high.astype(float)
        # Halves first: the sum of two bounds may exceed what a float can hold.
        self._middle, self._reach = self._high / 2 + self._low / 2, self._high / 2 - self._low / 2
        self._whole = box.dtype is not None and box.dtype.kind in "biu"
        self.size = self._middle.size

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The command for an action [A] in [-1, 1], which is clipped; `box.contains` holds for it."""
        unit = np.clip(np.asarray(action, float), -1.0, 1.0).reshape(self._middle.shape)
        wanted = self._middle + self._reach * unit
        wanted = np.where(unit == 1.0, self._high, np.where(unit == -1.0, self._low, wanted))  # whatever rounding says
        return self.handed(np.rint(wanted) if self._whole else wanted)

    def handed(self, command: np.ndarray) -> np.ndarray:
        """Numbers of the Box, of any shape and float type, as the environment is given them: a new array each time."""
        command = np.reshape(command, self._middle.shape)
        with np.errstate(invalid="ignore", over="ignore"):  # of what lies beyond the bounds, which replace it
            inside = command.astype(self._box.dtype)
        # The bounds themselves, for rounding to the Box's type may overshoot them.
        return np.where(command >= self._high, self._box.high, np.where(command <= self._low, self._box.low, inside))

    def back(self, command: np.ndarray) -> np.ndarray:
        """The action [A] in [-1, 1] of a command; 0 where the Box leaves no choice."""
        free = self._reach > 0
        away = np.divide(command - self._middle, self._reach, out=np.zeros_like(self._middle), where=free)
        return away.clip(-1.0, 1.0).astype(np.float32).ravel()
