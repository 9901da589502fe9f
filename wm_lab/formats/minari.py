"""Reads Minari datasets, Farama's format of offline data, by the minari package.

Minari keeps L + 1 observations of L actions, as the lab does, and knows terminations from truncations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.frames import Frames, Unreadable
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.source import ActionScale, Source, Wishes, describe, need, numbers_of_actions
from wm_lab.formats.still import resized


class Minari(Source):
    format = "Minari"

    def __init__(self, path: Path, wishes: Wishes) -> None:
        self.path, self.name, self.wishes = path, str(path), wishes
        self._data = self._open(path)
        self.notes: list[str] = []
        self.kept, self.without = wishes.kept(len(self._data.episode_indices), self.name), wishes.without
        self._ids = self._data.episode_indices[self.kept]
        self.lengths = np.array([told["total_steps"] for told in self._told()])
        first = next(self._recorded())
        if np.asarray(first.actions).dtype.kind != "f":
            raise UserError(f"{self.name} has discrete actions, and the lab's are continuous; choose another dataset")
        images, vectors = self._split(_flat(first.observations))
        self.observed = Observed.choose(self.name, images, vectors, wishes.keys)
        self.scale = ActionScale.of(self._actions(), self.name)
        self.table = {"seed": self.kept}
        self.behaviours = ["recorded"]
        metadata = self._data.storage.metadata
        self.origin = {"dataset": str(metadata.get("dataset_id", "")), "algorithm": str(metadata.get("algorithm_name"))}
        if wishes.hz is None:
            raise UserError(f"{self.name} does not say how many steps a second take; say it with --hz")
        spec = self._data.env_spec
        environment = "unknown environment" if spec is None else spec.id
        self.card = describe(
            path.resolve().name,
            self.observed,
            self.scale,
            self.lengths,
            wishes.hz,
            str(metadata.get("description") or environment).splitlines()[0],
            f"{environment}, as recorded",
        )

    def episodes(self) -> Iterator[Episode]:
        for index, (seed, recorded) in enumerate(zip(self.kept.tolist(), self._recorded(), strict=True)):
            with self.reading(index):
                episode = self._frames(recorded).arrive(seed, self.observed.shapes)
            yield episode

    def _frames(self, recorded: Any) -> Frames:
        seen = _flat(recorded.observations)
        if lost := {*self.observed.vectors, *self.observed.images} - seen.keys():
            raise Unreadable(f"lacks {', '.join(sorted(lost))}")
        observation = {STATE: self.observed.join(seen)}
        observation |= {key: resized(seen[key], self.wishes.image_size) for key in self.observed.images}
        return Frames(
            observation=observation,
            action=self.scale.normalise(np.asarray(recorded.actions)),
            reward=np.asarray(recorded.rewards, np.float32),
            success=_success(recorded.infos, len(recorded.actions)),
            terminal=np.asarray(recorded.terminations, bool),
        )

    def _actions(self) -> Iterator[np.ndarray]:
        size = None
        for index, recorded in enumerate(self._recorded()):
            with self.reading(index):
                actions = numbers_of_actions(np.asarray(recorded.actions), size)
            size = actions.shape[1]
            yield actions

    def _split(self, found: Mapping[str, np.ndarray]) -> tuple[dict[str, tuple[int, int, int]], dict[str, int]]:
        images: dict[str, tuple[int, int, int]] = {}
        vectors: dict[str, int] = {}
        side = self.wishes.image_size
        for key, values in found.items():
            if values.ndim == 4 and values.dtype == np.uint8 and values.shape[-1] == 3:
                images[key] = (*values.shape[1:3], 3) if side is None else (side, side, 3)
            elif values.ndim <= 2 and values.dtype.kind in "fiub":
                vectors[key] = int(np.prod(values.shape[1:]))
            else:
                self.notes.append(f"left out: {key}, which is {values.dtype} {list(values.shape[1:])}")
        return images, vectors

    def _open(self, path: Path) -> Any:
        minari = need("minari", "minari", f"{path}")
        try:
            return minari.MinariDataset(path / "data")
        except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
            raise self._damaged(error) from None

    def _told(self) -> list[dict[str, Any]]:
        try:
            return list(self._data.storage.get_episode_metadata(self._ids))
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from None

    def _recorded(self) -> Iterator[Any]:
        """Minari's own episodes, one in memory at a time."""
        try:
            yield from self._data.iterate_episodes(self._ids)
        except (OSError, ValueError, KeyError) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> UserError:
        first = (str(error).splitlines() or [repr(error)])[0]
        return UserError(f"{self.name} is damaged ({first}); download it again")


def is_minari(path: Path) -> bool:
    return (path / "data" / "main_data.hdf5").is_file() or (path / "data" / "metadata.json").is_file()


def _flat(observations: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Nested observations by dotted names, {name: [L + 1, ...]}."""
    if not isinstance(observations, Mapping):
        return {prefix or STATE: np.asarray(observations)}
    flat: dict[str, np.ndarray] = {}
    for name, part in observations.items():
        flat |= _flat(part, f"{prefix}.{name}" if prefix else str(name))
    return flat


def _success(infos: Any, steps: int) -> np.ndarray | None:
    """[L] after each action, where the environment told: Minari keeps the reset's info too, as a first entry."""
    told = (infos or {}).get("success")
    if told is None or len(told) not in (steps, steps + 1):
        return None
    return np.asarray(told, float)[-steps:] > 0
