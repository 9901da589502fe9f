"""Writes a source as a LeRobotDataset v3.0 that lerobot itself reads, one episode in memory at a time.

An episode of L actions becomes L + 1 frames, so that what the last action led to is kept; the last frame's action is
0 and its reward 0, for nothing followed it. Read again by the lab, all numbers are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import write_json
from wm_lab.formats.lerobot_card import dataset_card
from wm_lab.formats.lerobot_layout import (
    ACTION,
    BOOKKEEPING,
    CHUNK_FILES,
    CONTACT,
    DATA_MB,
    DATA_PATH,
    DONE,
    EPISODES_PATH,
    INFO,
    OURS,
    PER_EPISODE,
    REWARD,
    STATS,
    SUCCESS,
    TASKS,
    TRUNCATED,
    VERSION,
    VIDEO_MB,
    VIDEO_PATH,
    feature_name,
    key_of,
)
from wm_lab.formats.lerobot_stats import Stats, gather, merge
from wm_lab.formats.source import Advance, Source, need
from wm_lab.formats.video import CODEC, VideoWriter, pixel_format

CHANNELS = ["height", "width", "channels"]


def write(source: Source, folder: Path, advance: Advance | None = None) -> None:
    """Fill `folder`; UserError where something of the source has no place in the format."""
    writer = _Writer(source, folder)
    for index, episode in enumerate(source.episodes()):
        writer.add(index, episode)
        if advance is not None:
            advance(1)
    writer.finish()


class _Writer:
    def __init__(self, source: Source, folder: Path) -> None:
        self.source, self.folder = source, folder
        self.pa, self.parquet = need("pyarrow", "lerobot", "LeRobot"), need("pyarrow.parquet", "lerobot", "LeRobot")
        if source.task_spec.control_hz is None:
            raise UserError(
                f"LeRobot counts frames a second, and nobody told how long a step of {source.task_spec.name} is; say "
                "it with --hz, or collect with task.control_hz"
            )
        self.fps = source.task_spec.control_hz
        self.data = _Roll(DATA_MB)
        self.table: Any = None  # the Parquet file that is written
        self.videos: dict[str, tuple[_Roll, VideoWriter]] = {}
        self.features: dict[str, dict[str, Any]] = {}
        self.rows: list[dict[str, Any]] = []  # of meta/episodes
        self.stats: list[dict[str, Stats]] = []
        self.frames = 0
        self.asked = source.table.get("instruction", np.zeros(len(source), int))

    def add(self, index: int, episode: Episode) -> None:
        """Append one episode to the files."""
        images, columns = _split(episode)
        count = len(episode.action)
        if not self.features:
            self.features = self._features(images, columns)
        own: dict[str, np.ndarray] = {
            "timestamp": (np.arange(count) / self.fps).astype(np.float32),
            "frame_index": np.arange(count),
            "episode_index": np.full(count, index),
            "index": self.frames + np.arange(count),
            "task_index": np.full(count, self.asked[index]),
        }
        row: dict[str, Any] = {
            "episode_index": index,
            "tasks": [self.source.instructions[self.asked[index]]],
            "length": count,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + count,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        row |= self._write_table({**columns, **own})
        for name, frames in images.items():
            row |= self._write_video(name, frames)
        row |= {PER_EPISODE + name: np.asarray(values)[index].item() for name, values in self.source.table.items()}
        stats = gather({**columns, **own, **images})
        row |= {f"stats/{name}/{word}": value for name, facts in stats.items() for word, value in facts.items()}
        self.rows.append(row)
        self.stats.append(stats)
        self.frames += count

    def finish(self) -> None:
        """Close all files and write what describes them; info.json last, which makes the folder a dataset."""
        self.table.close()
        for _, video in self.videos.values():
            video.close()
        task_spec = self.source.task_spec
        self._parquet(EPISODES_PATH.format(chunk_index=0, file_index=0), self.pa.Table.from_pylist(self.rows))
        pandas = need("pandas", "lerobot", "LeRobot")  # whose notes on the index lerobot relies on
        asked = self.source.instructions
        tasks = pandas.DataFrame({"task_index": range(len(asked))}, index=pandas.Index(asked, name="task"))
        tasks.to_parquet(self.folder / TASKS)
        write_json(self.folder / STATS, merge(self.stats))
        write_json(
            self.folder / OURS,
            {"task": asdict(task_spec), "behaviours": self.source.behaviours, "provenance": self.source.origin},
        )
        (self.folder / "README.md").write_text(dataset_card(self.source, self.frames, VERSION), encoding="utf-8")
        info = {
            "codebase_version": VERSION,
            "robot_type": self.source.origin.get("robot_type") or task_spec.name,
            "fps": int(self.fps) if float(self.fps).is_integer() else self.fps,
            "total_episodes": len(self.rows),
            "total_frames": self.frames,
            "total_tasks": len(asked),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": DATA_MB,
            "video_files_size_in_mb": VIDEO_MB,
            "splits": {"train": f"0:{len(self.rows)}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH if self.videos else None,
            "features": self.features,
        }
        write_json(self.folder / INFO, info)

    def _features(
        self, images: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for name, values in columns.items():
            size = list(values.shape[1:]) or [1]
            labels = self.source.labels.get(key_of(name), [])
            names = labels if size == [len(labels)] else None
            found[name] = {"dtype": values.dtype.name, "shape": size, "names": names}
        for name, dtype in BOOKKEEPING.items():
            found[name] = {"dtype": dtype, "shape": [1], "names": None}
        for name, frames in images.items():
            height, width = frames.shape[1:3]
            facts = {"height": height, "width": width, "channels": 3, "fps": self.fps, "codec": CODEC}
            info = {f"video.{word}": value for word, value in facts.items()} | {"has_audio": False}
            info |= {"video.pix_fmt": pixel_format(height, width), "is_depth_map": False}
            found[name] = {"dtype": "video", "shape": [height, width, 3], "names": CHANNELS, "info": info}
        return found

    def _write_table(self, columns: Mapping[str, np.ndarray]) -> dict[str, int]:
        """One row group an episode; returns where it lies."""
        size = sum(values.nbytes for values in columns.values())
        if self.data.is_full(size) or self.table is None:
            if self.table is not None:
                self.table.close()
                self.data.turn()
            path = self.folder / DATA_PATH.format(**self.data.place)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.table = None
        arrays = {name: self._arrow(values) for name, values in columns.items()}
        table = self.pa.table(arrays)
        if self.table is None:
            self.table = self.parquet.ParquetWriter(path, table.schema, compression="snappy")
        self.table.write_table(table)
        self.data.bytes += size
        return {f"data/{word}": value for word, value in self.data.place.items()}

    def _arrow(self, values: np.ndarray) -> Any:
        """Numbers as they are, vectors as lists of one length; LeRobot keeps vectors of one number as numbers."""
        if values.ndim == 2 and values.shape[1] > 1:
            flat = self.pa.array(np.ascontiguousarray(values).reshape(-1))
            return self.pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        return self.pa.array(values.reshape(-1))

    def _write_video(self, name: str, images: np.ndarray) -> dict[str, Any]:
        roll, video = self.videos.get(name, (_Roll(VIDEO_MB), None))
        if video is not None and video.path.stat().st_size >= roll.limit:
            video.close()
            roll.turn()
            video = None
        if video is None:
            path = self.folder / VIDEO_PATH.format(video_key=name, **roll.place)
            video = VideoWriter(path, self.fps, *images.shape[1:3])
            self.videos[name] = roll, video
        first = video.frames
        video.write(images)
        place = {"from_timestamp": first / self.fps, "to_timestamp": video.frames / self.fps, **roll.place}
        return {f"videos/{name}/{word}": value for word, value in place.items()}

    def _parquet(self, name: str, table: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.parquet.write_table(table, path)


class _Roll:
    """Which file is written, and whether it is full."""

    def __init__(self, megabytes: int) -> None:
        self.limit = megabytes << 20
        self.number, self.bytes = 0, 0

    @property
    def place(self) -> dict[str, int]:
        chunk, file = divmod(self.number, CHUNK_FILES)
        return {"chunk_index": chunk, "file_index": file}

    def is_full(self, more: int) -> bool:
        return self.bytes > 0 and self.bytes + more > self.limit

    def turn(self) -> None:
        self.number, self.bytes = self.number + 1, 0


def _split(episode: Episode) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Images, and everything else, frame by frame: what was seen and the action that followed."""
    images: dict[str, np.ndarray] = {}
    columns: dict[str, np.ndarray] = {}
    for key, values in episode.observation.items():
        is_image = values.ndim == 4 and values.dtype == np.uint8 and values.shape[-1] == 3
        if not is_image and values.ndim != 2:
            raise UserError(
                f"observation {key!r} is {values.dtype} {list(values.shape[1:])}, neither a vector nor an RGB image; "
                "leave it out with --keys"
            )
        (images if is_image else columns)[feature_name(key, is_image)] = values
    columns[ACTION] = _departing(episode.action, 0)
    columns[REWARD] = _departing(episode.reward, 0)
    columns[SUCCESS] = _departing(episode.success, episode.success[-1])
    columns[CONTACT] = _departing(episode.contact, episode.contact[-1])
    last = np.arange(len(episode.action)) == episode.steps
    columns[DONE] = last
    columns[TRUNCATED] = last & ~episode.terminal[-1]
    return images, columns


def _departing(arrived: np.ndarray, last: Any) -> np.ndarray:
    """Row t + 1 of what is aligned on arrival, at frame t."""
    departing = np.empty_like(arrived)
    departing[:-1], departing[-1] = arrived[1:], last
    return departing
