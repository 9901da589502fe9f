"""Trains many clones side by side, one a process: a clone is small, and one thread is all that it can use."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from wm_lab.data.dataset import Dataset
from wm_lab.exercises.bookkeeping import Clock
from wm_lab.exercises.diet import Diet
from wm_lab.exercises.settings import Settings
from wm_lab.exercises.workbench import Workbench
from wm_lab.tracking.progress import progress


def train_clones(bench: Workbench, diets: Sequence[Diet]) -> list[Path]:
    """Their checkpoints, in order; on a GPU, or with one worker, one after the other in this process."""
    if bench.workers.count == 1 or bench.device.type != "cpu":
        return [bench.clone(diet) for diet in diets]
    orders = [Order.of(diet) for diet in diets]
    with progress("train clones", len(orders)) as bar, Clock(bench.seconds, "train clones"):
        return bench.workers.map(
            partial(_trainer, bench.settings), orders, name=lambda order: order.name, done=lambda _: bar.advance()
        )


class Order(NamedTuple):
    """A diet as it travels between processes: folders, not their contents."""

    name: str
    data: tuple[Path, ...]
    eyes: tuple[tuple[Path, ...], ...]
    weights: list[float] | None
    steps: int | None

    @classmethod
    def of(cls, diet: Diet) -> Order:
        eyes = tuple(_folders(dataset) for dataset in diet.eyes)
        return cls(diet.name, _folders(diet.dataset), eyes, diet.weights, diet.steps)


def _folders(dataset: Dataset) -> tuple[Path, ...]:
    return tuple(shard.folder for shard in dataset.shards)


def _trainer(settings: Settings) -> Callable[[Order], Path]:
    """A worker's tools."""
    bench = Workbench(replace(settings, workers=1))

    @cache  # the collection, which all clones see by
    def opened(folders: tuple[Path, ...]) -> Dataset:
        return Dataset.open(*folders, split=bench.data.split(), keys=tuple(bench.card.observation))

    def train(order: Order) -> Path:
        eyes = tuple(opened(folders) for folders in order.eyes)
        diet = Diet(opened(order.data), order.name, eyes, order.weights, order.steps)
        with redirect_stderr(io.StringIO()):  # the parent alone says how far all are
            return bench.clone(diet)

    return train
