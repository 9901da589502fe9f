"""Puts any environment back in time by playing its episode again, exactly where a seed always gives the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np


class Replay:
    """A `Memory` for environments of which nobody knows where they keep their state.

    What is saved are the commands of the episode so far. Whoever goes back to one place many times, as a planner does,
    pays for playing them once: from then on a copy of the environment as it stood there is copied, where it can be.
    """

    def __init__(self, env: Any, restart: Callable[[], None], steps: int, shape: tuple[int, ...]) -> None:
        """restart: resets `env` to the start of its episode; steps: that an episode has at most; shape: of commands."""
        self.env = env
        self._restart = restart
        self._shape = shape
        self._commands = np.zeros((steps, int(np.prod(shape))))
        self._count = 0
        self._place: tuple[bytes, Any] | None = None  # what was loaded last, and the environment as it stood there
        self.size = 1 + self._commands.size

    def begin(self) -> None:
        """An episode starts, perhaps another one."""
        self._count, self._place = 0, None

    def note(self, command: np.ndarray) -> None:
        """The environment was given this command [size]."""
        if self._count == len(self._commands):  # a future that goes on beyond the episode
            self._commands = np.concatenate([self._commands, np.zeros_like(self._commands)])
        self._commands[self._count] = command
        self._count += 1

    def save(self) -> np.ndarray:
        steps = (self.size - 1) // self._commands.shape[1]
        played = np.where(np.arange(steps)[:, None] < self._count, self._commands[:steps], 0.0)
        return np.concatenate([[self._count], played.ravel()])

    def load(self, saved: np.ndarray) -> None:
        """`restart` is called first, unless the environment stood there before."""
        name = saved.tobytes()
        commands = saved[1:].reshape(-1, self._commands.shape[1])
        count = int(saved[0])
        if self._place is None or self._place[0] != name:
            self._restart()
            for command in commands[:count]:
                self.env.step(command.reshape(self._shape))
            with suppress(Exception):  # a window, a socket: some things cannot be copied, and then it is slower
                self._place = name, copy.deepcopy(self.env)
        if self._place is not None:
            self.env = copy.deepcopy(self._place[1])
        self._commands[: len(commands)], self._count = commands, count
