"""A LeRobot dataset as somebody else would write it, by pyarrow and PyAV alone, and its truth."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.extras import need

pa = need("pyarrow", "lerobot")
av = need("av", "lerobot")
pq = need("pyarrow.parquet", "lerobot")

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
    episodes = [
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
    save(folder / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(episodes))
    known = sorted(set(tasks))
    save(folder / "meta/tasks.parquet", pa.table({"task_index": range(len(known)), "task": known}))
    (folder / "meta/info.json").write_text(json.dumps(told | info))
    return folder


def older(folder: Path, version: str, chunk: int = 1000) -> Path:
    """A folder of `write` as LeRobot kept it before v3: every episode in files of its own, lists in JSON lines."""
    info = read_info(folder)
    whole = pa.concat_tables([pq.read_table(path) for path in sorted((folder / "data").rglob("*.parquet"))])
    episodes = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    tasks = pq.read_table(folder / "meta/tasks.parquet").to_pylist()
    for part in ("data", "videos", "meta/episodes", "meta/tasks.parquet"):
        path = folder / part
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    owner = np.array(whole["episode_index"].to_pylist())
    for e in range(len(episodes)):
        rows = np.flatnonzero(owner == e)
        save(folder / f"data/chunk-{e // chunk:03d}/episode_{e:06d}.parquet", whole.slice(rows[0], len(rows)))
        if info["features"][TOP]["dtype"] == "video":
            film(folder / f"videos/chunk-{e // chunk:03d}/{TOP}/episode_{e:06d}.mp4", list(range(len(rows))), FPS)
    told = [{"episode_index": e["episode_index"], "tasks": e["tasks"], "length": e["length"]} for e in episodes]
    for name, rows in (("episodes", told), ("tasks", tasks)):
        (folder / f"meta/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = {
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    return change_info(folder, codebase_version=version, chunks_size=chunk, **paths)


def read_info(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "meta/info.json").read_text())


def change_info(folder: Path, **changes: Any) -> Path:
    (folder / "meta/info.json").write_text(json.dumps(read_info(folder) | changes))
    return folder


def change_features(folder: Path, **changes: dict[str, Any]) -> Path:
    """Features of info.json with other facts, whose dots are written as two underscores."""
    features = read_info(folder)["features"]
    for name, facts in changes.items():
        features[name.replace("__", ".")] |= facts
    return change_info(folder, features=features)


def change_tables(folder: Path, change: Callable[[Any], Any]) -> Path:
    """Every table of frames as `change` returns it."""
    for path in sorted((folder / "data").rglob("*.parquet")):
        save(path, change(pq.read_table(path)))
    return folder


def rename(folder: Path, names: dict[str, str]) -> Path:
    """Columns by other names, in the tables and in info.json."""
    change_tables(folder, lambda table: table.rename_columns([names.get(n, n) for n in table.column_names]))
    features = {names.get(name, name): facts for name, facts in read_info(folder)["features"].items()}
    return change_info(folder, features=features)


def film(path: Path, numbers: list[int], fps: int, codec: str = "h264") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options={"crf": "10"})
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
