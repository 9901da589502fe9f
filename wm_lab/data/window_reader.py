"""Reads windows at given places: small columns from memory, images from their files."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import OBSERVATION
from wm_lab.errors import UserError, unknown
from wm_lab.world_model import Windows


class WindowReader:
    """Gathers windows of T rows. `keys` are the observations to read; None: the task's own."""

    def __init__(self, dataset: Dataset, length: int, keys: Sequence[str] | None = None) -> None:
        self._dataset = dataset
        self.length = length
        self._steps = torch.arange(length)
        self._first = torch.from_numpy(dataset.table.offset)  # [E] first row of each episode
        self._end = self._first + torch.from_numpy(dataset.table.length) + 1  # [E] row after the last
        self._vectors: dict[str, Tensor] = {}
        self._images: list[str] = []
        for key in tuple(dataset.card["observation"]) if keys is None else keys:
            if key not in dataset.observation_keys:
                raise unknown("observation in this dataset", key, dataset.observation_keys)
            if dataset.shards[0].columns[OBSERVATION + key].ndim == 2:
                self._vectors[key] = self._column(OBSERVATION + key)
            else:
                self._images.append(key)
        self._action, self._reward, self._terminal = map(self._column, ("action", "reward", "terminal"))

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

        def gather(column: Tensor) -> Tensor:
            return column.index_select(0, flat).view(batch, length, *column.shape[1:])

        first = torch.zeros(batch, length, dtype=torch.bool)
        first[:, 0] = start == self._first[episode]
        windows = Windows(
            observation={key: gather(column) for key, column in self._vectors.items()},
            action=gather(self._action),
            reward=gather(self._reward),
            first=first,
            terminal=gather(self._terminal),
            valid=valid,
        )
        for key in self._images:
            windows.observation[key] = self._read_images(OBSERVATION + key, start, end)
        if not whole:
            windows.action *= valid[..., None]
            windows.reward *= valid
            windows.terminal &= valid
        return windows

    def column(self, name: str, start: Tensor) -> Tensor:
        """Another column [B, T, ...] beside whole windows, e.g. "contact" or "observation.state"."""
        rows = (start[:, None] + self._steps).view(-1)
        column = self._column(name)
        return column.index_select(0, rows).view(len(start), self.length, *column.shape[1:])

    def _column(self, name: str) -> Tensor:
        return torch.from_numpy(self._dataset.column(name))

    def _read_images(self, column: str, start: Tensor, end: Tensor) -> Tensor:
        shape = self._dataset.shards[0].columns[column].shape[1:]
        images = torch.empty(len(start), self.length, *shape, dtype=torch.uint8)
        for row, (begin, limit) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
            part = self._dataset.slice(column, begin, min(begin + self.length, limit))
            target = images[row].numpy()
            target[: len(part)] = part
            target[len(part) :] = part[-1]
        return images


def require_length(dataset: Dataset, split: str, length: int) -> None:
    """UserError unless some episode of the split can fill a window of `length` rows."""
    episodes = dataset.episodes(split)
    if not len(episodes):
        raise UserError(f"the {split} split of {len(dataset)} episodes is empty; collect more, or raise its fraction")
    longest = int(dataset.table.length[episodes].max()) + 1
    if length < 1 or length > longest:
        raise UserError(
            f"windows of {length} steps do not fit the data: the longest of the {len(episodes)} {split} episodes has "
            f"{longest} observations; lower the window length (horizon and context together) or collect longer episodes"
        )
