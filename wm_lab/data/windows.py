"""Windows of consecutive steps, drawn at random for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.exchange import Exchange
from wm_lab.data.shard import OBSERVATION
from wm_lab.data.window_reader import WindowReader, require_episodes
from wm_lab.errors import UserError
from wm_lab.world_model import Windows


class WindowSampler:
    """An endless stream of `Windows` [B, T], each drawn uniformly from all places in `split` where T rows fit.

    A window starts at any row of its episode, the first included. An episode shorter than T is one window, padded.
    `shard_weights` fixes the share of each batch that comes from each shard; None draws all windows alike.
    The stream depends on the seed alone and goes on exactly after `load_state_dict`. Only the share `labelled` of the
    episodes, always the same ones, shows its actions; the others' are NaN. With `exchange`, things that are alike stand
    in each other's places, shuffled anew in each window (`TaskSpec.alike`).
    """

    def __init__(
        self,
        dataset: Dataset,
        split: str,
        batch: int,
        length: int,
        seed: int,
        *,
        keys: Sequence[str] | None = None,
        shard_weights: Sequence[float] | None = None,
        labelled: float = 1.0,
        exchange: bool = False,
    ) -> None:
        self.batch = batch
        alike = dataset.alike if exchange else []
        self._exchange = Exchange(alike, dataset.shards[0].columns[OBSERVATION + "state"].shape[-1]) if alike else None
        self._reader = WindowReader(dataset, length, keys)
        self._generator = torch.Generator().manual_seed(seed)
        episodes = require_episodes(dataset, split)
        places = np.maximum(dataset.table.length[episodes] + 2 - length, 1)  # starts in each episode
        # Windows are numbered through, episode after episode and so ordered by shard; their list is never made.
        self._stop = torch.from_numpy(np.cumsum(places))  # [E] number of the first window that is not the episode's
        self._shift = torch.from_numpy(dataset.table.offset[episodes] - np.cumsum(places) + places)  # [E] to its row
        self._episodes = torch.from_numpy(episodes)
        order = torch.randperm(len(episodes), generator=torch.Generator().manual_seed(0))
        self._hidden = order >= round(labelled * len(episodes))  # [E] bool
        shard = dataset.table.shard[episodes]
        windows = np.bincount(shard, weights=places, minlength=len(dataset.shards)).astype(np.int64)
        self._bins, self._shares = _strata(windows, shard_weights, split)

    def sample(self, share: slice = slice(None)) -> Windows:
        """The next batch, or a share of its windows."""
        chosen = self._draw()[share].contiguous()
        source = None if self._exchange is None else self._exchange.draw(self.batch, self._generator)[share]
        episode = torch.searchsorted(self._stop, chosen, right=True)
        windows = self._reader.read(self._episodes[episode], chosen + self._shift[episode])
        windows.action[self._hidden[episode]] = torch.nan
        return windows if source is None else Exchange.exchanged(windows, source)

    def __iter__(self) -> Iterator[Windows]:
        while True:
            yield self.sample()

    @property
    def windows(self) -> int:
        """How many different windows there are."""
        return int(self._stop[-1])

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is, in tensors and numbers (loads with `weights_only=True`)."""
        return {"generator": self._generator.get_state(), "windows": self.windows, "batch": self.batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; UserError where the data or the batch size are not the same."""
        for name in ("windows", "batch"):
            if state[name] != getattr(self, name):
                raise UserError(
                    f"this training cannot go on: it drew batches of {state['batch']} from {state['windows']} windows, "
                    f"now there are batches of {self.batch} from {self.windows}; restore the data, or start anew"
                )
        self._generator.set_state(state["generator"])

    def _draw(self) -> Tensor:
        """Indices [B] of windows: systematic over the strata, so every batch holds its exact shares; uniform within."""
        draw = torch.rand(self.batch + 1, generator=self._generator, dtype=torch.float64)
        place, offset = draw[:-1], draw[-1]
        points = (torch.arange(self.batch) + offset) / self.batch
        stratum = torch.searchsorted(self._shares, points, right=True).clamp(max=len(self._shares) - 1)
        first, count = self._bins[stratum].unbind(-1)
        return first + (place * count).long()


def newest_weights(dataset: Dataset, fraction: float | None, split: str = "train") -> list[float] | None:
    """Shard weights that give the newest shard this share of each batch; the others share the rest by their size.

    None, like a dataset of one shard, leaves all windows alike.
    """
    if fraction is None or len(dataset.shards) == 1:
        return None
    episodes = dataset.episodes(split)
    sizes = np.bincount(dataset.table.shard[episodes], dataset.table.length[episodes], len(dataset.shards))
    older = sizes[:-1] / max(sizes[:-1].sum(), 1.0) * (1.0 - fraction)
    return [*older.tolist(), fraction]


def _strata(windows: np.ndarray, weights: Sequence[float] | None, split: str) -> tuple[Tensor, Tensor]:
    """(first window, count) [K, 2] of each stratum, and the cumulative shares [K] of a batch they get."""
    if weights is None:
        return torch.tensor([[0, int(windows.sum())]]), torch.ones(1, dtype=torch.float64)
    share = np.asarray(weights, np.float64)
    if share.shape != windows.shape or not (share >= 0).all() or not share.sum() > 0:
        raise UserError(f"shard weights {list(weights)} must be {len(windows)} numbers >= 0, one a shard, not all 0")
    empty = np.flatnonzero((share > 0) & (windows == 0))
    if len(empty):
        raise UserError(f"shard {empty[0]} has a weight of {share[empty[0]]} but no {split} episodes; set it to 0")
    kept = share > 0
    first = np.cumsum(windows) - windows
    bins = torch.from_numpy(np.stack([first, windows], 1)[kept])
    return bins, torch.from_numpy(np.cumsum(share[kept]) / share.sum())
