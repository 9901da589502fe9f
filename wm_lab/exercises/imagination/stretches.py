"""Stretches of truth: some steps to observe, then the steps that have to be imagined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.record import SNAPSHOT
from wm_lab.data.recorded import recorded
from wm_lab.data.replay import snapshots
from wm_lab.data.window_reader import WindowReader, require_episodes, require_length
from wm_lab.errors import UserError
from wm_lab.tasks.task import Task
from wm_lab.world_model import Windows

ENOUGH = 10
"""Episodes that must last as long as is imagined; of fewer than twice as many, half of them."""

LEAST = 2
"""Steps of context that show a velocity, which a baseline goes on with."""


@dataclass(frozen=True)
class Stretches:
    """W stretches of C observed and H following steps, in memory on the CPU."""

    windows: Windows  # [W, C + H], what the model may observe and the actions that led there
    state: np.ndarray  # [W, C + H, D] the truth
    contact: np.ndarray  # [W] bool, something touches during the H steps
    episode: np.ndarray  # [W] index into the dataset's table
    step: np.ndarray  # [W] actions played before the first row
    context: int  # C

    def __len__(self) -> int:
        return len(self.episode)

    def __getitem__(self, rows: Any) -> Stretches:
        """Some of the stretches: a slice, a mask or indices."""
        parts = {name: getattr(self, name)[rows] for name in ("windows", "state", "contact", "episode", "step")}
        return replace(self, **parts)

    @property
    def observed(self) -> Windows:
        """[W, C]"""
        return self.windows[:, : self.context]

    @property
    def following(self) -> Windows:
        """[W, H]"""
        return self.windows[:, self.context :]

    @property
    def actions(self) -> Tensor:
        """[W, H, A], those that lead from the last observed step through the H that follow."""
        return self.windows.action[:, self.context :]

    @property
    def future(self) -> np.ndarray:
        """True states [W, H, D]."""
        return self.state[:, self.context :]

    @property
    def lasting(self) -> np.ndarray:
        """[W] bool, the episode ends in none of the H steps, but perhaps with the last."""
        return ~self.following.terminal[:, :-1].any(1).numpy()


def draw(
    dataset: Dataset, split: str, task: Task, keys: Sequence[str], count: int, context: int, horizon: int
) -> Stretches:
    """Up to `count` stretches of the episodes of `split`, with the observations `keys`; always the same ones.

    They go round the episodes, so that any first few are from as many episodes as can be. Raises UserError unless two
    episodes are long enough.
    """
    episode, step = places(dataset, split, context + horizon, count)
    reader = WindowReader(dataset, context + horizon, [key for key in keys if key != SNAPSHOT])
    found = recorded(dataset, reader, episode, step)
    if SNAPSHOT in keys:
        found.windows.observation[SNAPSHOT] = _all_snapshots(task, dataset, episode, step, context + horizon)
    return Stretches(
        windows=found.windows,
        state=found.state.numpy(),
        contact=found.contact[:, context:].any(1).numpy(),
        episode=episode,
        step=step,
        context=context,
    )


def reach(dataset: Dataset, split: str, context: int, horizon: int) -> tuple[int, int]:
    """The steps to observe and to imagine: what was asked, or as much of it as enough episodes of the split hold.

    Episodes that end early would otherwise leave the few that happened to last to speak for all. The horizon gives way
    first, and the context from where it would be the longer of the two.
    """
    rows = np.sort(dataset.table.length[require_episodes(dataset, split)] + 1)[::-1]
    enough = max(2, min(ENOUGH, -(-len(rows) // 2)))
    longest = int(rows[enough - 1]) if len(rows) >= enough else 0
    if longest <= LEAST:
        raise UserError(
            f"{int((rows > LEAST).sum())} of {len(rows)} {split} episodes have more than {LEAST} observations, and "
            f"{enough} are needed to observe {LEAST} and imagine what follows; raise data.episodes or "
            "data.validation_fraction, or choose a task whose episodes last"
        )
    context = min(context, max(LEAST, longest // 2))
    return context, min(horizon, longest - context)


def places(dataset: Dataset, split: str, length: int, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Episode and first step [W] of windows of `length` rows, none twice, one round of the episodes after another."""
    require_length(dataset, split, length)
    rng = np.random.default_rng(seed)
    held = dataset.episodes(split)
    starts = dataset.table.length[held] + 2 - length
    fits = rng.permutation(np.flatnonzero(starts > 0))
    if len(fits) < 2:
        raise UserError(
            f"only {len(fits)} of the {len(held)} {split} episodes has the {length} observations of exercise.context "
            "and exercise.horizon together, and an interval needs two; raise data.episodes or "
            "data.validation_fraction, or lower exercise.horizon"
        )
    shuffled = {int(held[i]): rng.permutation(int(starts[i])) for i in fits}
    rounds = range(-(-count // len(fits)))
    chosen = [(e, int(steps[k])) for k in rounds for e, steps in shuffled.items() if k < len(steps)][:count]
    episode, step = np.array(chosen).T
    kept = fair(episode, count)
    return episode[:kept], step[:kept]


def fair(episode: np.ndarray, count: int) -> int:
    """How many of the first `count` windows to keep so that no episode has over half: actions are dealt out anew.

    0 where there are no two episodes among them.
    """
    sizes = range(min(count, len(episode)), 1, -1)
    return next((n for n in sizes if 2 * np.unique(episode[:n], return_counts=True)[1].max() <= n), 0)


def _all_snapshots(task: Task, dataset: Dataset, episode: np.ndarray, step: np.ndarray, length: int) -> Tensor:
    """[W, length, S] of every row of the windows."""
    rows = (step[:, None] + np.arange(length)).ravel()
    flat = snapshots(task, dataset, np.repeat(episode, length), rows)
    return torch.from_numpy(flat.reshape(len(episode), length, -1))
