"""Where LeRobotDataset keeps what, and how its names and the lab's answer to each other.

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet                       one row a frame, many episodes a file
    videos/<key>/chunk-000/file-000.mp4                   many episodes a file, one after another

(huggingface/lerobot, docs "LeRobotDataset v3.0".) Before, in v2.1 and v2.0, every episode had files of its own:

    meta/info.json  meta/tasks.jsonl  meta/episodes.jsonl
    data/chunk-000/episode_000000.parquet  videos/chunk-000/<key>/episode_000000.mp4

The lab adds meta/wm_lab.json, which LeRobot does not read, and
columns "wm_lab/..." of the episodes, so that its own datasets come back as they were.
"""

from __future__ import annotations

VERSION = "v3.0"
"""What is written."""

INFO, STATS, TASKS, OURS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/wm_lab.json"
EPISODES = "meta/episodes"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES_PATH = f"meta/episodes/{FILE}.parquet"
DATA_PATH = f"data/{FILE}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{FILE}.mp4"

OLD_EPISODES, OLD_TASKS = "meta/episodes.jsonl", "meta/tasks.jsonl"

CHUNK_FILES = 1000  # files in a chunk
DATA_MB, VIDEO_MB = 100, 200  # after so many a new file is begun

OBSERVATION, IMAGES = "observation.", "observation.images."
ACTION, REWARD, SUCCESS, CONTACT = "action", "next.reward", "next.success", "next.contact"
EPISODE, TIME, TASK = "episode_index", "timestamp", "task_index"
DONE, TRUNCATED = "next.done", "next.truncated"

BOOKKEEPING = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"} | {
    "task_index": "int64"
}
"""Columns that every dataset has, one number a frame."""

PER_EPISODE = "wm_lab/"


def feature_name(key: str, is_image: bool) -> str:
    """LeRobot's name of an observation of ours."""
    return (IMAGES if is_image else OBSERVATION) + key


def key_of(feature: str) -> str:
    """Our name of an observation of LeRobot's."""
    return feature.removeprefix(IMAGES).removeprefix(OBSERVATION)
