"""Reads Minari datasets, Farama's format of offline data.

Minari keeps L + 1 observations of L actions, as the lab does, and knows terminations from truncations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.actions import RecordedScale, numbers_of_actions
from wm_lab.formats.alignment import RecordedEpisode, Unreadable
from wm_lab.formats.files import file_in, read_json
from wm_lab.formats.hdf5 import json_mapping
from wm_lab.formats.minari_storage import HDF5_FILE, ArrowStorage, Hdf5Storage, Storage
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.source import Source, Wishes, describe, words
from wm_lab.formats.still import resized

METADATA = "metadata.json"


class Minari(Source):
    format = "Minari"

    def __init__(self, path: Path, wishes: Wishes) -> None:
        self.path, self.name, self.wishes = path, str(path), wishes
        self.notes: list[str] = []
        told = self._metadata()
        self._storage = self._open(told)
        self.kept, self.without = wishes.kept(self._storage.count, self.name), wishes.without
        with self.reading(0):
            found = self._storage.observations(int(self.kept[0]))
            images, vectors = wishes.sorted_out({key: (v.shape, v.dtype) for key, v in found.items()}, self.notes)
        self.observed = Observed.choose(self.name, images, vectors, wishes.keys)
        self.lengths = np.array([self._steps(index) for index in range(len(self))])
        self._storage.require_held(self.rows * sum(values[:1].nbytes for values in found.values()))
        self.scale = RecordedScale.of(self._actions(), self.name)
        self.table = {"seed": self.kept}
        self.behaviours = ["recorded"]
        self.origin = {"dataset": words(told.get("dataset_id")), "algorithm": words(told.get("algorithm_name"))}
        if wishes.hz is None:
            raise UserError(f"{self.name} does not say how many steps a second take; say it with --hz")
        environment = _environment(told.get("env_spec")) or "unknown environment"
        self.task_spec = describe(
            path.resolve().name,
            self.observed,
            self.scale,
            self.lengths,
            wishes.hz,
            words(told.get("description")) or environment,
            f"{environment}, as recorded",
        )

    def episodes(self) -> Iterator[Episode]:
        for index, number in enumerate(self.kept.tolist()):
            with self.reading(index):
                episode = self._frames(number).arrive(number, self.observed.shapes)
            yield episode

    def _frames(self, number: int) -> RecordedEpisode:
        wanted = frozenset((*self.observed.vectors, *self.observed.images))
        seen = self._storage.observations(number, wanted)
        if lost := wanted - seen.keys():
            raise Unreadable(f"lacks the observation {', '.join(sorted(lost))}, which others have")
        action = self.scale.normalise(_joined(self._storage.actions(number)))
        for key, values in seen.items():
            if len(values) != len(action) + 1:
                raise Unreadable(
                    f"has {len(values)} observations of {key} and {len(action)} actions, and Minari keeps one "
                    "observation more than actions"
                )
        outcomes = self._storage.outcomes(number, len(action))
        state = self.observed.join({key: seen[key] for key in self.observed.vectors})
        images = {key: resized(seen[key], self.wishes.image_size) for key in self.observed.images}
        return RecordedEpisode(
            {STATE: state, **images}, action, outcomes.reward, outcomes.success, terminal=outcomes.terminal
        )

    def _steps(self, index: int) -> int:
        with self.reading(index):
            return self._storage.steps(int(self.kept[index]))

    def _actions(self) -> Iterator[np.ndarray]:
        size = None
        for index, number in enumerate(self.kept.tolist()):
            with self.reading(index):
                actions = numbers_of_actions(_joined(self._storage.actions(number)), size)
            size = actions.shape[1]
            yield actions

    def _open(self, told: dict[str, Any]) -> Storage:
        kind = told.get("data_format", "hdf5")
        if kind == "hdf5":
            storage: Storage = Hdf5Storage(self.path)
        elif kind in ("arrow", "parquet"):
            storage = ArrowStorage(self.path, kind, told)
        else:
            raise UserError(f"{self.name} keeps its data as {words(kind)!r}, and hdf5, arrow and parquet can be read")
        if storage.count != told.get("total_episodes", storage.count) or not storage.count:
            raise UserError(
                f"{self.name} holds {storage.count} episodes, and its metadata count "
                f"{words(told.get('total_episodes'))}; download it again"
            )
        return storage

    def _metadata(self) -> dict[str, Any]:
        if not (self.path / "data" / METADATA).exists():  # old datasets keep it in the HDF5 file
            return {}
        path = file_in(self.path, f"data/{METADATA}")
        told = read_json(path)
        if not isinstance(told, dict):
            raise UserError(f"{path} is damaged (it is no mapping); download it again")
        return told


def is_minari(path: Path) -> bool:
    return (path / "data" / HDF5_FILE).is_file() or (path / "data" / METADATA).is_file()


def _joined(actions: dict[str, np.ndarray]) -> np.ndarray:
    """[L, A]: the parts of an action side by side, in the order of their names."""
    parts = []
    for name, values in actions.items():
        if values.dtype.kind in "iub":
            of = "" if name == STATE else f" in {name}"
            raise Unreadable(f"has discrete actions{of}, and the lab's are continuous; choose another dataset")
        parts.append(numbers_of_actions(values.reshape(len(values), -1)))
    if not parts or len({len(part) for part in parts}) > 1:
        raise Unreadable("has no actions, or not as many of each part")
    return np.concatenate(parts, axis=1)


def _environment(spec: object) -> str | None:
    """The name of the environment, of what Gymnasium says of it in JSON; nothing else of it is looked at."""
    try:
        return words(json_mapping(spec).get("id")) if isinstance(spec, str) else None
    except ValueError:
        return None
