"""Reads HDF5 files in the layout of robomimic, robosuite and LIBERO: one group an episode (h5py).

    data            attributes: env_args, JSON with env_name and env_kwargs.control_freq
    data/demo_0     actions [N, A], rewards, dones [N], obs/<key> [N, ...], next_obs/<key> where kept

(robomimic docs, "Dataset Structure and Creation".) Where next_obs is kept, what the last action led to is too. `dones`
marks the end of every demonstration, not of the task, so nothing is terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.frames import Frames, Unreadable
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.source import ActionScale, Source, Wishes, describe, need, numbers_of_actions
from wm_lab.formats.still import resized
from wm_lab.tasks.task import TaskCard

SUFFIXES = (".hdf5", ".h5")


class Robomimic(Source):
    format = "robomimic HDF5"

    def __init__(self, path: Path, wishes: Wishes) -> None:
        self.path, self.name, self.wishes = path, str(path), wishes
        h5py = need("h5py", "hdf5", f"{path}")
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise UserError(f"{path} is damaged ({str(error).splitlines()[0]}); copy it again") from None
        demos = self._find_demos()
        self.kept, self.without = wishes.kept(len(demos), self.name), wishes.without
        self._demos = [demos[number] for number in self.kept]
        self._told = self._environment()
        self.notes: list[str] = []
        for index in range(len(self)):
            with self.reading(index), self._demo(index) as demo:
                self._require_parts(demo)
        with self.reading(0), self._demo(0) as demo:
            images, vectors = self._split({key: (part.shape, part.dtype) for key, part in demo["obs"].items()})
            size = numbers_of_actions(demo["actions"][:]).shape[1]
        self.observed = Observed.choose(self.name, images, vectors, wishes.keys)
        self.lengths = np.array([self._steps(index) for index in range(len(self))])
        self.scale = ActionScale.of((self._actions(index, size) for index in range(len(self))), self.name)
        self.table = {"seed": self.kept}
        self.behaviours = ["recorded"]
        self.origin = {"environment": self._told.get("env_name")}
        self.card = self._card(wishes)

    def called(self, index: int) -> str:
        return f"episode {self.kept[index]} ({self._demos[index]})"

    def episodes(self) -> Iterator[Episode]:
        for index, seed in enumerate(self.kept.tolist()):
            with self.reading(index), self._demo(index) as demo:
                episode = self._frames(demo).arrive(seed, self.observed.shapes)
            yield episode

    def _frames(self, demo: Any) -> Frames:
        rewards = demo["rewards"][:] if "rewards" in demo else None
        # Unshaped, a reward of 1 is robosuite's word for success.
        shaped = (self._told.get("env_kwargs") or {}).get("reward_shaping", True)
        return Frames(
            observation=self._observe(demo),
            action=self.scale.normalise(demo["actions"][:]),
            reward=rewards,
            success=None if shaped or rewards is None else rewards >= 1,
        )

    def _observe(self, demo: Any) -> dict[str, np.ndarray]:
        """Everything that was seen, the outcome of the last action too where it was kept."""

        def rows(key: str) -> np.ndarray:
            seen = np.asarray(demo["obs"][key])
            if len(seen) == len(demo["actions"]) and "next_obs" in demo:
                return np.concatenate([seen, demo["next_obs"][key][-1:]])
            return seen

        state = self.observed.join({key: rows(key) for key in self.observed.vectors})
        return {STATE: state} | {key: resized(rows(key), self.wishes.image_size) for key in self.observed.images}

    def _actions(self, index: int, size: int) -> np.ndarray:
        with self.reading(index), self._demo(index) as demo:
            return numbers_of_actions(demo["actions"][:], size)

    def _steps(self, index: int) -> int:
        with self.reading(index), self._demo(index) as demo:
            key = next(iter(self.observed.vectors))
            seen = len(demo["obs"][key])
            return max(seen, len(demo["actions"]) + ("next_obs" in demo)) - 1

    def _split(
        self, found: dict[str, tuple[tuple[int, ...], np.dtype]]
    ) -> tuple[dict[str, tuple[int, int, int]], dict[str, int]]:
        """Cameras with the shape of a frame, and vectors in alphabetical order; notes on the rest."""
        images: dict[str, tuple[int, int, int]] = {}
        vectors: dict[str, int] = {}
        side = self.wishes.image_size
        for key, (shape, dtype) in sorted(found.items()):
            if len(shape) == 4 and dtype == np.uint8 and shape[-1] == 3:
                images[key] = (shape[1], shape[2], 3) if side is None else (side, side, 3)
            elif len(shape) <= 2 and dtype.kind in "fiub":
                vectors[key] = int(np.prod(shape[1:]))
            else:
                self.notes.append(f"left out: {key}, which is {dtype} {list(shape[1:])}")
        return images, vectors

    def _card(self, wishes: Wishes) -> TaskCard:
        kwargs = self._told.get("env_kwargs") or {}
        hz = wishes.hz or kwargs.get("control_freq")
        if not hz:
            raise UserError(f"{self.name} does not say how many steps a second take; say it with --hz")
        environment = self._told.get("env_name", "unknown environment")
        physics = f"{environment} {self._told.get('env_version', '')}".strip() + ", as recorded"
        return describe(self.path.stem, self.observed, self.scale, self.lengths, float(hz), environment, physics)

    def _find_demos(self) -> list[str]:
        """Names of the episodes' groups by their numbers."""
        names = list(self._file["data"]) if "data" in self._file else []
        demos = sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
        if not demos:
            raise UserError(f"{self.name} holds no episode under data/; it is not of robomimic's layout")
        return demos

    def _require_parts(self, demo: Any) -> None:
        missing = {"actions", "obs"} - set(demo)
        if missing:
            raise Unreadable(
                f"lacks {', '.join(sorted(missing))} (where observations were not kept, make them with robomimic's "
                "dataset_states_to_obs.py)"
            )

    def _environment(self) -> dict[str, Any]:
        try:
            return json.loads(self._file["data"].attrs.get("env_args", "{}")) or {}
        except ValueError as error:
            raise UserError(f"{self.name} has damaged env_args ({error}); copy it again") from None

    @contextmanager
    def _demo(self, index: int) -> Iterator[Any]:
        """The group of one episode, whose chunks may turn out to be damaged."""
        try:
            yield self._file["data"][self._demos[index]]
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise Unreadable(f"is damaged ({str(error).splitlines()[0]})") from None


def is_robomimic(path: Path) -> bool:
    return path.is_file() and path.suffix in SUFFIXES
