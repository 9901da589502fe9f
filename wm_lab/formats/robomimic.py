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
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.source import ActionScale, Frames, Source, Vectors, Wishes, describe, keep_only, need
from wm_lab.formats.still import resized

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
        found = self._find_demos()
        self.kept, self.without = wishes.kept(len(found), self.name), wishes.without
        self._demos = [found[index] for index in self.kept]
        self._require_fields()
        self._told = self._environment()
        self.notes: list[str] = []
        first = self._read(self._demos[0], lambda demo: {k: (v.shape, v.dtype) for k, v in demo["obs"].items()})
        self._images, self._vectors = self._split(first)
        frames = np.array([self._read(name, lambda demo: len(demo["actions"])) for name in self._demos])
        whole = self._read(self._demos[0], lambda demo: "next_obs" in demo)
        self._has_last = whole
        self.lengths = frames - (not whole)
        if self.lengths.min() < 1:
            short = self._demos[int(self.lengths.argmin())]
            raise UserError(f"{self.name} has no step of {short} that leads from one observation to another; remove it")
        actions = (self._read(name, lambda demo: demo["actions"][:]) for name in self._demos)
        self.scale = ActionScale.of(actions, self.name)
        self.table = {"seed": self.kept}
        self.behaviours = ["recorded"]
        self.origin = {"environment": self._told.get("env_name")}
        self.card = self._card(wishes)

    def episodes(self) -> Iterator[Episode]:
        for seed, name in zip(self.kept.tolist(), self._demos, strict=True):
            yield self._read(name, self._frames).arrive(seed)

    def _frames(self, demo: Any) -> Frames:
        last = demo["next_obs"] if self._has_last else None
        rewards = demo["rewards"][:] if "rewards" in demo else None
        observation = self._observe(demo["obs"], slice(None))
        # Unshaped, a reward of 1 is robosuite's word for success.
        shaped = self._told.get("env_kwargs", {}).get("reward_shaping", True)
        return Frames(
            observation=observation,
            action=self.scale.normalise(demo["actions"][:]),
            last=None if last is None else {k: v[0] for k, v in self._observe(last, slice(-1, None)).items()},
            reward=rewards,
            success=None if shaped or rewards is None else rewards >= 1,
        )

    def _observe(self, group: Any, rows: slice) -> dict[str, np.ndarray]:
        parts = [np.asarray(group[key][rows]) for key in self._vectors.sizes]
        images = {key: resized(np.asarray(group[key][rows]), self.wishes.image_size) for key in self._images}
        return {"state": self._vectors.join(parts), **images}

    def _split(self, found: dict[str, tuple[tuple[int, ...], np.dtype]]) -> tuple[dict[str, tuple], Vectors]:
        """Cameras with the shape of a frame, and vectors in alphabetical order; notes on the rest."""
        images, vectors = {}, Vectors()
        for key, (shape, dtype) in sorted(found.items()):
            if len(shape) == 4 and dtype == np.uint8 and shape[-1] == 3:
                if self.wishes.keys is None or key in self.wishes.keys:
                    side = self.wishes.image_size
                    images[key] = shape[1:] if side is None else (side, side, 3)
            elif len(shape) <= 2 and dtype.kind in "fiub":
                vectors.sizes[key] = int(np.prod(shape[1:]))
            else:
                self.notes.append(f"left out: {key}, which is {dtype} {list(shape[1:])}")
        return images, vectors

    def _card(self, wishes: Wishes) -> Any:
        kwargs = self._told.get("env_kwargs", {})
        hz = wishes.hz or kwargs.get("control_freq")
        if not hz:
            raise UserError(f"{self.name} does not say how many steps a second take; say it with --hz")
        environment = self._told.get("env_name", "unknown environment")
        physics = f"{environment} {self._told.get('env_version', '')}".strip() + ", as recorded"
        card = describe(
            self.path.stem, self._images, self._vectors, self.scale, self.lengths, float(hz), environment, physics
        )
        return keep_only(card, wishes.keys)

    def _find_demos(self) -> list[str]:
        """Names of the episodes' groups by their numbers."""
        names = list(self._file["data"]) if "data" in self._file else []
        demos = sorted(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
        if not demos:
            raise UserError(f"{self.name} holds no episode under data/; it is not of robomimic's layout")
        return demos

    def _require_fields(self) -> None:
        for name in self._demos:
            missing = {"actions", "obs"} - set(self._file["data"][name])
            if missing:
                raise UserError(
                    f"{self.name} lacks {', '.join(sorted(missing))} of {name}; where observations were not kept, make "
                    "them with robomimic's dataset_states_to_obs.py"
                )

    def _environment(self) -> dict[str, Any]:
        try:
            return json.loads(self._file["data"].attrs.get("env_args", "{}"))
        except ValueError as error:
            raise UserError(f"{self.name} has damaged env_args ({error}); copy it again") from None

    def _read(self, name: str, what: Any) -> Any:
        """Something of one episode, whose chunks may turn out to be damaged."""
        try:
            return what(self._file["data"][name])
        except (OSError, KeyError, ValueError, IndexError) as error:
            raise UserError(f"{self.name} is damaged in {name} ({str(error).splitlines()[0]}); copy it again") from None


def is_robomimic(path: Path) -> bool:
    return path.is_file() and path.suffix in SUFFIXES
