"""Our own datasets, and the store's, as a source: what is exported, looked at and checked like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.data.shard import MANIFEST
from wm_lab.data.splits import SPLITS
from wm_lab.formats.actions import RecordedScale
from wm_lab.formats.source import Source
from wm_lab.tasks.task import TaskSpec


class Own(Source):
    """One or several shards, in the order of their collection."""

    format = "wm_lab"

    def __init__(self, folders: Sequence[Path], hz: float | None = None) -> None:
        """hz: control steps a second, where the datasets do not tell."""
        self.name = str(folders[0])
        self.dataset = Dataset.open(*folders)
        table = self.dataset.table
        task_spec = TaskSpec.from_dict(self.dataset.task_spec)
        self.task_spec = task_spec if task_spec.control_hz is not None else replace(task_spec, control_hz=hz)
        self.kept, self.lengths = np.arange(len(table.length)), table.length
        self.behaviours = sorted(set(table.behaviour.tolist()))
        self.table = {
            "seed": table.seed,
            "behaviour": np.array([self.behaviours.index(name) for name in table.behaviour.tolist()]),
            "strength": table.strength,
            "round": table.round,
        }
        if len(self.instructions) > 1:
            self.table["instruction"] = table.instruction
        self.notes: list[str] = []
        self.scale = RecordedScale(-np.ones(self.task_spec.action_size), np.ones(self.task_spec.action_size))
        self.origin = self.dataset.shards[0].manifest["provenance"]

    @property
    def instructions(self) -> list[str]:
        return self.dataset.instructions

    def split(self) -> np.ndarray:
        return np.array([SPLITS.index(name) for name in self.dataset.table.split])

    def episodes(self) -> Iterator[Episode]:
        for index in range(len(self.dataset)):
            yield self.dataset.episode(index)

    def verify(self) -> None:
        """Compare every byte with its checksum."""
        self.dataset.verify()


def is_own(path: Path) -> bool:
    return (path / MANIFEST).is_file()
