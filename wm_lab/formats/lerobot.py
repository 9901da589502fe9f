"""Reads LeRobotDataset v3.0 folders without the lerobot package: Parquet by pyarrow, video by PyAV.

Vector observations stand side by side in the lab's state, cameras keep their names. `next.done` alone says that the
recording ended, not that the task did; an end is terminal only where `next.truncated` stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.formats.frames import Frames
from wm_lab.formats.lerobot_layout import (
    ACTION,
    BOOKKEEPING,
    CONTACT,
    DONE,
    INFO,
    OBSERVATION,
    OURS,
    PER_EPISODE,
    REWARD,
    SUCCESS,
    TRUNCATED,
    VERSION,
    key_of,
)
from wm_lab.formats.lerobot_tasks import instructions_of
from wm_lab.formats.observed import STATE, Observed
from wm_lab.formats.parquet import Parquet, numbers
from wm_lab.formats.source import ActionScale, Source, Wishes, describe
from wm_lab.formats.still import decoded, resized
from wm_lab.formats.video import VideoReader
from wm_lab.tasks.task import TaskCard

BEAT = 0.1
"""Of a frame's duration: how far a timestamp may lie from its place."""

CAMERAS = ("video", "image")


class LeRobot(Source):
    format = f"LeRobot {VERSION}"

    def __init__(self, folder: Path, wishes: Wishes) -> None:
        self.folder, self.name, self.wishes = folder, str(folder), wishes
        self.info = _read_info(folder)
        self.fps = float(self.info["fps"])
        self.notes: list[str] = []
        ours = _ours(folder)
        self._whole = bool(ours)  # written by the lab: every vector is an observation of its own
        cameras, vectors = self._split_features()
        images = {key: self._image_shape(feature) for key, feature in cameras.items()}
        self.observed = Observed.choose(self.name, images, vectors, wishes.keys)
        if ours:
            self.observed.vectors = vectors
        self.cameras = {key: cameras[key] for key in self.observed.images}
        meta = _episodes(folder, self.info)
        self.kept, self.without = wishes.kept(len(meta["length"]), self.name), wishes.without
        self._meta = {name: values[self.kept] for name, values in meta.items()}
        frames = self._meta["length"].astype(np.int64)
        self.lengths = frames - 1
        self._require_two_frames(frames)
        files = self._files()
        self.scale = ActionScale.of((self._column(path, ACTION) for path in files), self.name)
        self._require_rows(files)
        self.table = {"seed": self.kept} | (self._own_table() if ours else {})
        asked, self._instructions = instructions_of(folder, files, self.kept)
        if len(self._instructions) > 1:
            self.table["instruction"] = asked
        self.behaviours = ours.get("behaviours", ["recorded"])
        self.origin = {"fps": self.info["fps"], "robot_type": self.info.get("robot_type")} | ours.get("provenance", {})
        self.card = self._card(ours)

    @property
    def instructions(self) -> list[str]:
        return self._instructions

    def episodes(self) -> Iterator[Episode]:
        videos: dict[str, VideoReader] = {}
        table: Parquet | None = None
        try:
            for e, seed in enumerate(self.table["seed"].tolist()):
                path = self._data_path(e)
                if table is None or table.path != path:
                    table = Parquet(path)
                rows = self._rows_of(e, table)
                frames = self._frames(e, table, rows)
                for key, feature in self.cameras.items():
                    frames.observation[key] = self._images(feature, e, table, rows, videos)
                with self.reading(e):
                    episode = frames.arrive(seed, self._shapes)
                yield episode
        finally:
            for video in videos.values():
                video.close()

    # What the metadata say

    def _split_features(self) -> tuple[dict[str, str], dict[str, int]]:
        """{our key: feature} of the cameras, and the vectors in the order of info.json; notes on the rest."""
        cameras: dict[str, str] = {}
        vectors: dict[str, int] = {}
        known = {ACTION, REWARD, SUCCESS, CONTACT, DONE, TRUNCATED, *BOOKKEEPING}
        left: list[str] = []
        for feature, facts in self.info["features"].items():
            key, kind = key_of(feature), facts["dtype"]
            if feature in known:
                continue
            if kind in CAMERAS and not _is_depth(facts):
                cameras[key] = feature
            elif feature.startswith(OBSERVATION) and kind.startswith(("float", "int", "uint", "bool")):
                vectors[key] = int(np.prod(facts["shape"]))
            else:
                left.append(feature)
        if left:
            self.notes.append(f"left out: {', '.join(left)}")
        if REWARD not in self.info["features"]:
            self.notes.append("no rewards were recorded: all are 0")
        return cameras, vectors

    def _card(self, ours: dict[str, Any]) -> TaskCard:
        if ours:
            card = TaskCard.from_dict(ours["task"])
            keys = self.wishes.keys or card.observation
            return replace(card, observation={key: self._shapes[key] for key in keys})
        physics = f"{self.info.get('robot_type') or 'unknown robot'}, as recorded"
        name, instruction = self.folder.resolve().name, self._instructions[0]
        return describe(name, self.observed, self.scale, self.lengths, self.fps, instruction, physics)

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if self._whole:
            return {**{key: (size,) for key, size in self.observed.vectors.items()}, **self.observed.images}
        return self.observed.shapes

    def _image_shape(self, feature: str) -> tuple[int, int, int]:
        if self.wishes.image_size is not None:
            return (self.wishes.image_size, self.wishes.image_size, 3)
        shape = [int(side) for side in self.info["features"][feature]["shape"]]
        height, width = shape[:2] if shape[-1] in (1, 3) else shape[1:]  # channels come last, or first in old ones
        return (height, width, 3)

    def _own_table(self) -> dict[str, np.ndarray]:
        return {
            name.removeprefix(PER_EPISODE): values
            for name, values in self._meta.items()
            if name.startswith(PER_EPISODE)
        }

    # Where its rows are

    def _data_path(self, episode: int) -> Path:
        return self.folder / self.info["data_path"].format(
            chunk_index=int(self._meta["data/chunk_index"][episode]),
            file_index=int(self._meta["data/file_index"][episode]),
        )

    def _files(self) -> list[Path]:
        return list(dict.fromkeys(self._data_path(e) for e in range(len(self.lengths))))

    def _column(self, path: Path, name: str) -> np.ndarray:
        """[rows, size] of a vector feature."""
        return Parquet(path, [name]).column(name, self._size(name))

    def _size(self, feature: str) -> int:
        return int(np.prod(self.info["features"][feature]["shape"]))

    def _require_two_frames(self, frames: np.ndarray) -> None:
        short = np.flatnonzero(frames < 2)
        if len(short):
            raise UserError(
                f"episode {self.kept[short[0]]} of {self.name} has {frames[short[0]]} frames, and a step needs two; "
                f"leave it out with --without {' '.join(map(str, self.kept[short].tolist()))}"
            )

    def _require_rows(self, files: list[Path]) -> None:
        """Every file is read to its end once before any episode is made of it."""
        found = sum(Parquet(path, ["episode_index"]).rows for path in files)
        if found < int(self._meta["length"].sum()):
            raise UserError(
                f"{self.folder / 'data'} holds {found} frames, meta/episodes counts {int(self._meta['length'].sum())}; "
                "copy the dataset again"
            )

    def _rows_of(self, episode: int, table: Parquet) -> slice:
        owner, length = numbers(table, "episode_index"), int(self._meta["length"][episode])
        episode = int(self.kept[episode])
        start, stop = (int(np.searchsorted(owner, episode, side)) for side in ("left", "right"))
        if stop - start != length or (owner[start:stop] != episode).any():
            raise UserError(
                f"{table.path} holds {stop - start} frames of episode {episode}, meta/episodes counts {length}; copy "
                "the dataset again"
            )
        place = slice(start, stop)
        late = np.abs(numbers(table, "timestamp")[place] * self.fps - np.arange(length))
        if late.max() > BEAT:
            raise UserError(
                f"the timestamps of episode {episode} of {self.name} are not those of {self.fps:g} frames a second "
                f"(frame {int(late.argmax())} is off by {late.max() / self.fps:.3g} s); record or resample all of it "
                "at one rate"
            )
        return place

    # One episode

    def _frames(self, episode: int, table: Parquet, rows: slice) -> Frames:
        parts = {key: table.column(OBSERVATION + key, size)[rows] for key, size in self.observed.vectors.items()}
        if self._whole:
            observation = {key: part.astype(np.float32) for key, part in parts.items()}
        else:
            observation = {STATE: self.observed.join(parts)}

        def column(name: str) -> np.ndarray | None:
            return numbers(table, name)[rows] if name in self.info["features"] else None

        done, truncated = column(DONE), column(TRUNCATED)
        success, contact = column(SUCCESS), column(CONTACT)
        return Frames(
            observation=observation,
            action=self.scale.normalise(table.column(ACTION, self._size(ACTION))[rows]),
            reward=column(REWARD),
            success=None if success is None else success.astype(bool),
            contact=None if contact is None else contact.astype(bool),
            terminal=None if done is None or truncated is None else done.astype(bool) & ~truncated.astype(bool),
        )

    def _images(
        self, feature: str, episode: int, table: Parquet, rows: slice, videos: dict[str, VideoReader]
    ) -> np.ndarray:
        """[L, H, W, 3] uint8"""
        if self.info["features"][feature]["dtype"] == "image":
            return resized(decoded(table.bytes(feature)[rows]), self.wishes.image_size)
        name, facts = f"videos/{feature}/", self._meta
        path = self.folder / self.info["video_path"].format(
            video_key=feature,
            chunk_index=int(facts[name + "chunk_index"][episode]),
            file_index=int(facts[name + "file_index"][episode]),
        )
        video = videos.get(feature)
        if video is None or video.path != path:
            if video is not None:
                video.close()
            video = videos[feature] = VideoReader(path, self.fps, self.wishes.image_size)
        first = round(float(facts[name + "from_timestamp"][episode]) * self.fps)
        return video.read(first, rows.stop - rows.start)


def is_lerobot(path: Path) -> bool:
    return (path / INFO).is_file()


def _read_info(folder: Path) -> dict[str, Any]:
    path = folder / INFO
    try:
        info = json.loads(path.read_text())
        version, features = str(info["codebase_version"]), info["features"]
        missing = {"fps", "data_path"} - info.keys() or {ACTION, *BOOKKEEPING} - features.keys()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); copy the dataset again") from None
    if not version.startswith("v3."):
        raise UserError(
            f"{folder} is of LeRobot {version}, and this reads {VERSION}; convert it with lerobot's own "
            "lerobot.scripts.convert_dataset_v21_to_v30"
        )
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}, which every LeRobot dataset has; copy it again")
    if not info["fps"] > 0:
        raise UserError(f"{path} says fps={info['fps']}, which is no frame rate; correct it")
    return info


def _ours(folder: Path) -> dict[str, Any]:
    """What the lab wrote beside LeRobot's own metadata; nothing in a dataset of others."""
    path = folder / OURS
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); copy the dataset again, or delete this file") from None


def _episodes(folder: Path, info: dict[str, Any]) -> dict[str, np.ndarray]:
    """Numbers of every episode, {column: [E]}, ordered by episode_index."""
    paths = sorted((folder / "meta" / "episodes").glob("*/*.parquet"))
    if not paths:
        raise UserError(f"{folder / 'meta' / 'episodes'} holds no parquet file; copy the dataset again")
    cameras = [f for f, facts in info["features"].items() if facts["dtype"] == "video"]
    wanted = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    wanted += [f"videos/{c}/{what}" for c in cameras for what in ("chunk_index", "file_index", "from_timestamp")]
    tables = [Parquet(path) for path in paths]
    names = [*wanted, *(name for name in tables[0].names if name.startswith(PER_EPISODE))]
    columns = {name: np.concatenate([numbers(table, name) for table in tables]) for name in names}
    order = np.argsort(columns["episode_index"], kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    count = info.get("total_episodes", len(order))
    if columns["episode_index"].tolist() != list(range(count)):
        raise UserError(
            f"{folder} should have the episodes 0 to {count - 1}, and meta/episodes lists {len(order)} of them; copy "
            "the dataset again"
        )
    return columns


def _is_depth(facts: dict[str, Any]) -> bool:
    told = {**(facts.get("video_info") or {}), **(facts.get("info") or {})}
    return bool(told.get("is_depth_map") or told.get("video.is_depth_map"))
