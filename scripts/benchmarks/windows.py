"""How fast training windows are read, a large dataset is opened and a LeRobot dataset is imported.

A window is 64 steps; batches are of 16. Bytes of frames are read from files that lie in the page cache.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from measure import Row, fastest, size

from wm_lab.data.dataset import Dataset
from wm_lab.data.shard_writer import ShardWriter
from wm_lab.data.windows import WindowSampler
from wm_lab.errors import UserError
from wm_lab.formats.convert import export_dataset, import_dataset
from wm_lab.formats.lerobot import LeRobot
from wm_lab.formats.own import Own
from wm_lab.formats.source import Wishes
from wm_lab.tasks.task import TaskSpec, Variable

BATCH, LENGTH = 16, 64
ROUNDS = 50

LEAST_WINDOWS = 20_000.0  # of states a second
LEAST_BYTES = 1.0  # GB of frames a second
MOST_SECONDS = 1.0  # to open a million steps, or ten
LARGEST_RATIO = 1.5  # of times
LEAST_FRAMES = 200.0  # of 96 x 96 pixels a second and core


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        states = write(root / "states", episodes=size(10_000, 100), steps=100, size=35)
        began = time.process_time()
        dataset = Dataset.open(states)
        opened = time.process_time() - began
        many = write(root / "many", episodes=size(100_000, 100), steps=100, size=7)
        began = time.process_time()
        ten_times = Dataset.open(many)
        opened_ten = time.process_time() - began
        longer = seconds_a_batch(ten_times) / seconds_a_batch(Dataset.open(write(root / "few", 1000, 100, size=7)))
        windows = BATCH / seconds_a_batch(dataset)
        frames = write(root / "frames", episodes=40, steps=100, size=35, side=64)
        read = BATCH * LENGTH * 64 * 64 * 3 / seconds_a_batch(Dataset.open(frames)) / 1e9
        try:
            imported = import_speed(root)
        except UserError as missing:  # a library that is not installed
            print(f"  LeRobot import: {missing}")
            imported = None
    rows = [
        Row("a million steps opened", opened, "s", MOST_SECONDS),
        Row("ten million steps opened", opened_ten, "s", MOST_SECONDS),
        Row("a batch of ten million steps / of a hundred thousand", longer, "x", LARGEST_RATIO),
        Row("windows of states, 16 x 64 steps a batch", windows, "/s", LEAST_WINDOWS, least=True),
        Row("frames of 64 x 64 in windows", read, "GB/s", LEAST_BYTES, least=True),
    ]
    if imported is not None:
        rows.append(Row("LeRobot import, video of 96 x 96, one core", imported, "frames/s", LEAST_FRAMES, least=True))
    return rows


def seconds_a_batch(dataset: Dataset) -> float:
    """CPU seconds of one batch of windows."""
    sampler = WindowSampler(dataset, "train", BATCH, LENGTH, seed=0)
    return fastest([sampler.sample], ROUNDS)[0]


def import_speed(root: Path) -> float:
    """Frames of CPU time's second, decoding, reading and writing together."""
    source = write(root / "small", episodes=10, steps=100, size=7, side=96)
    exported = export_dataset(Own([source]), root / "lerobot")
    began = time.process_time()
    import_dataset(LeRobot(exported, Wishes()), root / "imported")
    return 10 * 101 / (time.process_time() - began)


def write(folder: Path, episodes: int, steps: int, size: int, side: int | None = None) -> Path:
    """A dataset of smooth noise, an episode at a time."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    task_spec = TaskSpec(
        name="benchmark",
        observation={"state": (size,)} if side is None else {"pixels": (side, side, 3)},
        action_size=4,
        episode_steps=steps,
        control_hz=10.0,
        tags=(),
        instruction="None.",
        success_test="none",
        physics="none",
        variables=(Variable("state", 0, size, ""),),
        settings={},
    )
    rows = steps + 1
    writer = ShardWriter(folder, episodes * rows)
    blank = np.zeros(rows, bool)
    for _ in range(episodes):
        columns = {
            "observation.state": rng.standard_normal((rows, size), np.float32),
            "action": rng.standard_normal((rows, 4), np.float32).clip(-1, 1),
            "reward": np.zeros(rows, np.float32),
            "success": blank,
            "contact": blank,
            "terminal": blank,
        }
        if side is not None:
            columns["observation.pixels"] = moving_bars(rng, rows, side)
        writer.append(columns)
    writer.finish([steps] * episodes, {"seed": np.arange(episodes)}, task_spec, ["noise"], {})
    return folder


def moving_bars(rng: np.random.Generator, rows: int, side: int) -> np.ndarray:
    """[rows, side, side, 3] of a bar that crosses a coloured ground, as easy to encode as a scene with a robot."""
    images = np.full((rows, side, side, 3), rng.integers(0, 200, 3), np.uint8)
    for t in range(rows):
        images[t, :, t % side : t % side + 8] = 255
    return images
