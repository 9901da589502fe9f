"""Which episodes a LeRobot folder has, how long they are and which files hold them.

Since v3, meta/episodes/*/*.parquet tell of many episodes a file; before, meta/episodes.jsonl listed them and every one
had files of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.files import file_in, read_json_lines
from wm_lab.formats.lerobot_info import Info
from wm_lab.formats.lerobot_layout import EPISODES, OLD_EPISODES, PER_EPISODE
from wm_lab.formats.parquet import Parquet, texts

OWN_COUNTS, OWN_MEASURES = ("seed", "behaviour", "round"), ("strength",)
"""What the lab writes of every episode of its own."""

MOST = 1_000_000
"""Episodes of one dataset."""

LONGEST = 1e9
"""Seconds: 30 years. No episode begins later in a video."""


class Episodes(ABC):
    """What the metadata know of the recorded episodes 0 to E - 1."""

    frames: np.ndarray  # [E] int64, how many each has
    extra: dict[str, np.ndarray]  # {name: [E]}, what the lab itself wrote of every episode

    def __len__(self) -> int:
        return len(self.frames)

    @abstractmethod
    def data_file(self, episode: int) -> Path:
        """The file that holds its frames."""

    @abstractmethod
    def video_file(self, camera: str, episode: int) -> tuple[Path, float]:
        """The file that holds what a camera saw, and when in it the episode begins, in seconds."""

    @abstractmethod
    def tasks(self) -> list[str]:
        """The first task of every episode [E]; "" where the metadata tell none."""


def read_episodes(info: Info, cameras: list[str]) -> Episodes:
    """`cameras` are those whose videos will be read."""
    return _OneFileEach(info) if info.is_old else _ManyAFile(info, cameras)


class _ManyAFile(Episodes):
    def __init__(self, info: Info, cameras: list[str]) -> None:
        self.info, place = info, info.folder / EPISODES
        self._files: dict[tuple[str, int, int], Path] = {}  # those that were found, many episodes each
        self._paths = [
            file_in(info.folder, str(path.relative_to(info.folder))) for path in sorted(place.glob("*/*.parquet"))
        ]
        if not self._paths:
            raise UserError(f"{place} holds no parquet file; copy the dataset again")
        whole = ["episode_index", "length", "data/chunk_index", "data/file_index"]
        whole += [f"videos/{camera}/{what}" for camera in cameras for what in ("chunk_index", "file_index")]
        seconds = [f"videos/{camera}/from_timestamp" for camera in cameras]
        _require_few(sum(Parquet(path, []).rows for path in self._paths), str(place))
        there = Parquet(self._paths[0], []).names
        whole += [name for name in (f"{PER_EPISODE}{fact}" for fact in OWN_COUNTS) if name in there]
        own = [name for name in (f"{PER_EPISODE}{fact}" for fact in OWN_MEASURES) if name in there]
        tables = [Parquet(path, [*whole, *seconds, *own]) for path in self._paths]
        self._order = np.argsort(np.concatenate([table.integers("episode_index") for table in tables]), kind="stable")
        self._columns = {
            name: np.concatenate([table.integers(name) for table in tables])[self._order] for name in whole
        } | {name: np.concatenate([table.whole(name) for table in tables])[self._order] for name in [*seconds, *own]}
        _require_all(info, self._columns["episode_index"], str(place))
        for name in seconds:
            if (odd := ~((self._columns[name] >= 0) & (self._columns[name] < LONGEST))).any():
                e = int(odd.argmax())
                raise UserError(f"{place} says {name}={self._columns[name][e]} of episode {e}; copy the dataset again")
        self.frames = self._columns["length"]
        self.extra = {
            name.removeprefix(PER_EPISODE): values
            for name, values in self._columns.items()
            if name.startswith(PER_EPISODE)
        }

    def data_file(self, episode: int) -> Path:
        return self._file("data", episode, self.info.data_file)

    def video_file(self, camera: str, episode: int) -> tuple[Path, float]:
        name = f"videos/{camera}"
        begin = float(self._columns[f"{name}/from_timestamp"][episode])
        return self._file(name, episode, partial(self.info.video_file, camera)), begin

    def tasks(self) -> list[str]:
        if not all("tasks" in Parquet(path, []).names for path in self._paths):
            return [""] * len(self)
        told = [text for path in self._paths for text in texts(path, "tasks")]
        return [told[row] for row in self._order]

    def _file(self, name: str, episode: int, find: Callable[..., Path]) -> Path:
        chunk, file = (int(self._columns[f"{name}/{what}"][episode]) for what in ("chunk_index", "file_index"))
        if (name, chunk, file) not in self._files:
            self._files[name, chunk, file] = find(chunk_index=chunk, file_index=file)
        return self._files[name, chunk, file]


class _OneFileEach(Episodes):
    def __init__(self, info: Info) -> None:
        self.info, self.extra = info, {}
        path = file_in(info.folder, OLD_EPISODES)
        rows: dict[int, tuple[int, str]] = {}
        for row in read_json_lines(path):
            episode, frames, tasks = row.get("episode_index"), row.get("length"), row.get("tasks")
            if type(episode) is not int or type(frames) is not int or not 0 <= frames < 2**62:
                raise UserError(
                    f"{path} does not say episode_index and length of every episode; copy the dataset again"
                )
            rows[episode] = frames, str(tasks[0]) if isinstance(tasks, list) and tasks else ""
        _require_few(len(rows), str(path))
        found = sorted(rows)
        if found and not 0 <= found[0] <= found[-1] < 2**62:
            raise UserError(f"{path} lists the episode {found[0]} to {found[-1]}; copy the dataset again")
        _require_all(info, np.array(found, np.int64), str(path))
        self.frames = np.array([rows[episode][0] for episode in found], np.int64)
        self._tasks = [rows[episode][1] for episode in found]

    def data_file(self, episode: int) -> Path:
        return self.info.data_file(**self._place(episode))

    def video_file(self, camera: str, episode: int) -> tuple[Path, float]:
        return self.info.video_file(camera, **self._place(episode)), 0.0

    def tasks(self) -> list[str]:
        return self._tasks

    def _place(self, episode: int) -> dict[str, int]:
        return {"episode_chunk": episode // self.info.chunk, "episode_index": episode}


def _require_few(count: int, where: str) -> None:
    if count > MOST:
        raise UserError(f"{where} lists {count:,} episodes, and {MOST:,} are the most; split the dataset")


def _require_all(info: Info, found: np.ndarray, where: str) -> None:
    """The episodes must be 0, 1, 2 and so on, as many as info.json counts."""
    count = len(found) if info.episodes is None else info.episodes
    if not len(found):
        raise UserError(f"{where} lists no episode; record some first")
    if len(found) != count or (found != np.arange(len(found))).any():
        raise UserError(
            f"{info.folder} should have the episodes 0 to {count - 1}, and {where} lists {len(found)} of them, "
            f"{found[0]} to {found[-1]}; copy the dataset again"
        )
