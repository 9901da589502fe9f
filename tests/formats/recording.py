"""A LeRobot dataset as somebody else would write it, by pyarrow and PyAV alone, and its truth."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="LeRobot's files need pyarrow: pip install 'wm_lab[lerobot]'")
av = pytest.importorskip("av", reason="LeRobot's videos need PyAV: pip install 'wm_lab[lerobot]'")
pq = pytest.importorskip("pyarrow.parquet")

FPS = 10
LENGTHS = (7, 5, 9)
SIDE = 32
TOP = "observation.images.top"


def frame(number: int) -> np.ndarray:
    """A frame of one grey, which says which it is."""
    return np.full((SIDE, SIDE, 3), 10 * number, np.uint8)


def truth() -> dict[str, np.ndarray]:
    """All frames of all episodes, one after another."""
    rng = np.random.default_rng(0)
    count = sum(LENGTHS)
    return {
        "observation.state": rng.normal(size=(count, 3)).astype(np.float32),
        "observation.environment_state": rng.normal(size=(count, 2)).astype(np.float32),
        "action": rng.uniform([-1, 20], [1, 60], (count, 2)).astype(np.float32),
        "next.reward": rng.normal(size=count).astype(np.float32),
        "next.success": np.arange(count) == LENGTHS[0] - 1,
    }


def write(
    folder: Path,
    *,
    fps: int = FPS,
    video_fps: int = FPS,
    stills: bool = False,
    tasks: tuple[str, ...] = ("Move both joints.",) * len(LENGTHS),
    **info: Any,
) -> Path:
    """Episodes 0 and 1 in one file, episode 2 in a file of its own."""
    columns = truth()
    episode = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    index = np.concatenate([np.arange(length) for length in LENGTHS])
    columns |= {
        "timestamp": (index / fps).astype(np.float32),
        "frame_index": index,
        "episode_index": episode,
        "index": np.arange(len(index)),
        "task_index": np.array([sorted(set(tasks)).index(tasks[e]) for e in episode]),
    }
    features = {
        name: {"dtype": values.dtype.name, "shape": list(values.shape[1:]) or [1], "names": None}
        for name, values in columns.items()
    }
    features[TOP] = {
        "dtype": "image" if stills else "video",
        "shape": [3, SIDE, SIDE],
        "names": ["channels", "height", "width"],
    }
    told = {
        "codebase_version": "v3.0",
        "robot_type": "two_joints",
        "fps": fps,
        "total_episodes": len(LENGTHS),
        "total_frames": len(index),
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": features,
    }
    place = [0, 0, 1]
    for file in (0, 1):
        rows = np.flatnonzero(np.isin(episode, np.flatnonzero(np.array(place) == file)))
        table = {
            name: pa.array(values[rows].tolist(), pa.list_(pa.float32()) if values.ndim == 2 else None)
            for name, values in columns.items()
        }
        if stills:
            table[TOP] = pa.array([{"bytes": png(frame(i)), "path": None} for i in index[rows].tolist()])
        save(folder / f"data/chunk-000/file-{file:03d}.parquet", pa.table(table))
        if not stills:
            film(folder / f"videos/{TOP}/chunk-000/file-{file:03d}.mp4", index[rows].tolist(), video_fps)
    rows = [
        {
            "episode_index": e,
            "length": length,
            "tasks": [tasks[e]],
            "data/chunk_index": 0,
            "data/file_index": place[e],
            f"videos/{TOP}/chunk_index": 0,
            f"videos/{TOP}/file_index": place[e],
            f"videos/{TOP}/from_timestamp": (LENGTHS[0] if e == 1 else 0) / fps,
            f"videos/{TOP}/to_timestamp": 0.0,
        }
        for e, length in enumerate(LENGTHS)
    ]
    save(folder / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(rows))
    known = sorted(set(tasks))
    save(folder / "meta/tasks.parquet", pa.table({"task_index": range(len(known)), "task": known}))
    (folder / "meta/info.json").write_text(json.dumps(told | info))
    return folder


def film(path: Path, numbers: list[int], fps: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(fps), options={"crf": "10"})
        stream.height = stream.width = SIDE
        stream.pix_fmt = "yuv420p"
        for number in numbers:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number), format="rgb24")))
        container.mux(stream.encode(None))


def png(image: np.ndarray) -> bytes:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, "png")
    return content.getvalue()


def save(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
