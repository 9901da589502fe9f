"""Windows in order, with what an exercise wants to know beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import OBSERVATION
from wm_lab.data.window_reader import WindowReader, require_length
from wm_lab.world_model import Windows


def all_windows(
    dataset: Dataset, split: str, length: int, stride: int, *, batch: int = 64, keys: Sequence[str] | None = None
) -> Iterator[Recorded]:
    """Every window of `length` rows that starts `stride` rows after the one before, episode by episode, in batches.

    Raises UserError where no episode of the split is that long.
    """
    require_length(dataset, split, length)
    table = dataset.table
    places = [
        (episode, step)
        for episode in dataset.episodes(split)
        for step in range(0, int(table.length[episode]) + 2 - length, stride)
    ]
    reader = WindowReader(dataset, length, keys)
    for begin in range(0, len(places), batch):
        episode, step = np.array(places[begin : begin + batch]).T
        yield recorded(dataset, reader, episode, step)


class Recorded(NamedTuple):
    """Windows with what an exercise wants to know beside them; all of them whole, so nothing is padding."""

    windows: Windows
    episode: np.ndarray  # [B] index into the dataset's table
    step: np.ndarray  # [B] actions played before the window's first row
    state: Tensor  # [B, T, D]
    contact: Tensor  # [B, T] bool
    success: Tensor  # [B, T] bool


def recorded(dataset: Dataset, reader: WindowReader, episode: np.ndarray, step: np.ndarray) -> Recorded:
    """The windows of `reader` that start after `step` [B] actions of the episodes `episode` [B]; they must be whole."""
    if (step + reader.length > dataset.table.length[episode] + 1).any():
        raise ValueError(f"some of these windows of {reader.length} steps reach beyond the end of their episode")
    start = torch.from_numpy(dataset.table.offset[episode] + step)
    return Recorded(
        windows=reader.read(torch.from_numpy(episode), start),
        episode=episode,
        step=step,
        state=reader.column(OBSERVATION + "state", start),
        contact=reader.column("contact", start),
        success=reader.column("success", start),
    )
