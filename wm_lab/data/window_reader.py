"""Reads windows at given places: small columns from memory, images and what is larger than `HELD` from their files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import OBSERVATION
from wm_lab.errors import UserError, unknown
from wm_lab.world_model import Windows

HELD = 1 << 30
"""Bytes of a column that is kept in memory; a larger one is read from the disk, window by window."""


class WindowReader:
    """Gathers windows of T rows. `keys` are the observations to read; None: the task's own."""

    def __init__(self, dataset: Dataset, length: int, keys: Sequence[str] | None = None) -> None:
        self._dataset = dataset
        self.length = length
        self._steps = torch.arange(length)
        self._first = torch.from_numpy(dataset.table.offset)  # [E] first row of each episode
        several = len(dataset.instructions) > 1
        self._instruction = torch.from_numpy(dataset.table.instruction) if several else None  # [E]
        self._end = self._first + torch.from_numpy(dataset.table.length) + 1  # [E] row after the last
        keys = tuple(dataset.task_spec["observation"]) if keys is None else tuple(keys)
        for key in keys:
            if key not in dataset.observation_keys:
                raise unknown("observation in this dataset", key, dataset.observation_keys)
        self._keys = keys
        self._held: dict[str, Tensor] = {}
        for name in (*(OBSERVATION + key for key in keys), "action", "reward", "terminal"):
            columns = [shard.columns[name] for shard in dataset.shards]
            if columns[0].ndim <= 2 and sum(column.nbytes for column in columns) <= HELD:
                self._held[name] = torch.from_numpy(dataset.column(name))

    def read(self, episode: Tensor, start: Tensor) -> Windows:
        """Windows that start at the rows `start` [B] of the episodes `episode` [B]."""
        batch, length = len(start), self.length
        end = self._end[episode]
        rows = start[:, None] + self._steps  # [B, T]
        valid = rows < end[:, None]
        whole = bool((start + length <= end).all())
        if not whole:
            rows = torch.minimum(rows, end[:, None] - 1)  # padding repeats the last observation
        flat = rows.view(-1)

        def gather(name: str) -> Tensor:
            column = self._held.get(name)
            if column is None:
                return self._stream(name, start, end)
            return column.index_select(0, flat).view(batch, length, *column.shape[1:])

        first = torch.zeros(batch, length, dtype=torch.bool)
        first[:, 0] = start == self._first[episode]
        windows = Windows(
            observation={key: gather(OBSERVATION + key) for key in self._keys},
            action=gather("action"),
            reward=gather("reward"),
            first=first,
            terminal=gather("terminal"),
            valid=valid,
            instruction=None if self._instruction is None else self._instruction[episode][:, None].expand(-1, length),
        )
        if not whole:
            windows.action *= valid[..., None]
            windows.reward *= valid
            windows.terminal &= valid
        return windows

    def column(self, name: str, start: Tensor) -> Tensor:
        """Another column [B, T, ...] beside whole windows, e.g. "contact" or "observation.state"."""
        return self._stream(name, start, start + self.length)

    def _stream(self, name: str, start: Tensor, end: Tensor) -> Tensor:
        """[B, T, ...] read from the files, row `end - 1` repeated beyond the end."""
        column = self._dataset.shards[0].columns[name]
        out = np.empty((len(start), self.length, *column.shape[1:]), column.dtype)
        for row, (begin, limit) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
            part = self._dataset.slice(name, begin, min(begin + self.length, limit))
            out[row, : len(part)] = part
            out[row, len(part) :] = part[-1]
        return torch.from_numpy(out)


def require_episodes(dataset: Dataset, split: str) -> np.ndarray:
    """The episodes of a split; UserError where there are none."""
    episodes = dataset.episodes(split)
    if not len(episodes):
        raise UserError(f"the {split} split of {len(dataset)} episodes is empty; collect more, or raise its fraction")
    return episodes


def require_length(dataset: Dataset, split: str, length: int) -> None:
    """UserError unless some episode of the split can fill a window of `length` rows."""
    episodes = require_episodes(dataset, split)
    longest = int(dataset.table.length[episodes].max()) + 1
    if length < 1 or length > longest:
        raise UserError(
            f"windows of {length} steps do not fit the data: the longest of the {len(episodes)} {split} episodes has "
            f"{longest} observations; lower the window length (horizon and context together) or collect longer episodes"
        )
