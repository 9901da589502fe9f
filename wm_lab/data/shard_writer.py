"""Writes a shard some rows at a time, so that what is recorded never has to fit into memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from wm_lab.data.episode import Episode
from wm_lab.data.shard import EPISODE, EPISODE_COLUMNS, OBSERVATION, STEP_COLUMNS, column_path, write_manifest
from wm_lab.tasks.task import TaskSpec


class ShardWriter:
    """Columns of `rows` rows in `folder`; they become a shard when `finish` has vouched for them."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self._filled = 0
        self._columns: dict[str, np.memmap] = {}

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """The next n rows of every step column, {name: [n, ...]}; the first call decides types and shapes."""
        if not self._columns:
            self._columns = {
                name: self._create(name, (self.rows, *part.shape[1:]), part.dtype) for name, part in columns.items()
            }
        stop = self._filled + len(columns["reward"])
        for name, column in self._columns.items():
            column[self._filled : stop] = columns[name]
        self._filled = stop

    def finish(
        self,
        lengths: Sequence[int] | np.ndarray,
        table: Mapping[str, ArrayLike],
        task_spec: TaskSpec,
        behaviours: Sequence[str],
        provenance: Mapping[str, Any],
        instructions: Sequence[str] | None = None,
    ) -> None:
        """Write what is known of every episode, then the manifest.

        lengths: actions of each episode [E]
        table: {"seed": [E], "behaviour": [E], ...}; what a shard must say and the table does not is 0, further facts
            are kept beside it
        instructions: sentences that the table's "instruction" points at; None: the task's holds for every episode
        """
        owned = np.asarray(lengths, np.int64) + 1
        if not self._filled == self.rows == owned.sum():
            raise ValueError(f"{self._filled} of {self.rows} rows were written, the episodes own {owned.sum()}")
        facts = {"offset": np.cumsum(owned) - owned, "length": lengths, **table}
        columns = {EPISODE + name: np.asarray(values) for name, values in facts.items()}
        for name, dtype in EPISODE_COLUMNS.items():
            columns[name] = columns.get(name, np.zeros(len(owned))).astype(dtype)
        for column in self._columns.values():
            column.flush()
        for name, values in columns.items():
            np.save(column_path(self.folder, name), values)
        told = None if instructions is None else list(instructions)
        write_manifest(self.folder, task_spec, list(behaviours), provenance, told)

    def _create(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
        path = column_path(self.folder, name)
        column = np.lib.format.open_memmap(path, "w+", dtype, shape)
        # A mapped file that is full of holes ends the process where the disk is full; one without is refused here.
        if hasattr(os, "posix_fallocate"):  # not on macOS
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return column


def step_columns(episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
    """The rows of some episodes, one after another."""
    columns = {
        OBSERVATION + key: np.concatenate([episode.observation[key] for episode in episodes])
        for key in episodes[0].observation
    }
    for name in STEP_COLUMNS:
        columns[name] = np.concatenate([getattr(episode, name) for episode in episodes])
    return columns
