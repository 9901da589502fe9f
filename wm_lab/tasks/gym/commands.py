"""What must be remembered to put any environment back in time: the commands of its episode, which are played again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wm_lab.errors import UserError

BEYOND = 100
"""Steps after the end of an episode to which one can still go back: a future that began before may end there."""


class Replay:
    """The commands of one running episode, as numbers of a snapshot."""

    def __init__(self, steps: int, width: int) -> None:
        """steps: that an episode has; width: numbers of a command."""
        self._most = steps + BEYOND
        self._width = width
        self._commands: list[np.ndarray] = []
        self.size = 1 + self._most * width

    def begin(self) -> None:
        """An episode starts, perhaps another one."""
        self._commands = []

    def note(self, command: np.ndarray) -> None:
        """The environment was given this command, of any shape."""
        self._commands.append(command.ravel().astype(float))  # a copy, exact for float32 and for whole numbers

    def save(self) -> np.ndarray:
        """[size] float64"""
        count = len(self._commands)
        if count > self._most:
            raise UserError(
                f"nobody can go back to {count} steps after the start of an episode of {self._most - BEYOND} steps; "
                "raise task.episode_steps"
            )
        saved = np.zeros(self.size)
        saved[0] = count
        if count:
            saved[1 : 1 + count * self._width] = np.concatenate(self._commands)
        return saved

    def commands(self, saved: np.ndarray) -> Iterator[np.ndarray]:
        """Of what `save` wrote, in their order, [width] each."""
        yield from saved[1:].reshape(self._most, self._width)[: int(saved[0])]
