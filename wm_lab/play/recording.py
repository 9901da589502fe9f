"""What is left of a session: its episodes as a dataset of the lab, and a moving picture of both sides."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.data.shard import MANIFEST
from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.errors import UserError
from wm_lab.reports.moving import writes_webp
from wm_lab.tasks.task import TaskSpec

BETWEEN = 8  # pixels between the two sides of a clip

Frame = tuple[bytes, bytes]
"""JPEG pictures of the truth and of the dream."""


def add_episode(folder: Path, episode: Episode, task_spec: TaskSpec, driver: str) -> int:
    """Add an episode to the dataset in `folder`, which is made where it is missing; returns how many it holds now.

    driver: who chose the actions, as the dataset tells it ("person", ...)
    The dataset is written anew beside its place: whatever interrupts this, the old one or the new one is there.
    UserError where there is nothing to save, or the folder holds something else.
    """
    if not episode.steps:
        raise UserError("there is nothing to save yet; play some steps first")
    episodes, behaviours = _kept(folder, task_spec)
    episodes, behaviours = [*episodes, episode], [*behaviours, driver]
    beside, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    try:
        for left in (beside, old):
            shutil.rmtree(left, ignore_errors=True)
        beside.mkdir(parents=True)
        _write(beside, episodes, behaviours, task_spec)
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); free some space or choose another with --save; "
            "the episode is still here"
        ) from error
    return len(episodes)


def clip(frames: Sequence[Frame], hz: float) -> tuple[bytes, str]:
    """Pictures of both sides, beside each other and one after another: an animated file and its extension.

    WebP, or GIF where this Pillow cannot write WebP. UserError where nothing was played.
    """
    if not frames:
        raise UserError("there is nothing to save yet; play some steps first")
    size = max(Image.open(io.BytesIO(left)).size for left, _ in frames)  # it may have changed on the way
    both = [_beside(frame, size) for frame in frames]
    file = io.BytesIO()
    kind = "WEBP" if writes_webp() else "GIF"
    more = {"quality": 80, "method": 2} if kind == "WEBP" else {}
    both[0].save(file, kind, save_all=True, append_images=both[1:], duration=round(1000 / hz), loop=0, **more)
    return file.getvalue(), kind.lower()


def _kept(folder: Path, task_spec: TaskSpec) -> tuple[list[Episode], list[str]]:
    """The episodes that a dataset holds already, and who drove each."""
    old = folder.with_name(f".{folder.name}.old")
    if not folder.exists() and old.exists():  # killed between two names
        old.rename(folder)
    if not folder.exists():
        return [], []
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} is there and is no dataset of the lab; choose another folder with --save")
    dataset = Dataset.open(folder)
    name = dataset.task_spec["name"]
    if name != task_spec.name or set(dataset.observation_keys) != {"state", *task_spec.observation}:
        raise UserError(
            f"{folder} holds episodes of {name} with {', '.join(dataset.observation_keys)}, and this is "
            f"{task_spec.name} with {', '.join({'state': 0, **task_spec.observation})}; choose another with --save"
        )
    return [dataset.episode(index) for index in range(len(dataset))], dataset.table.behaviour.tolist()


def _write(folder: Path, episodes: list[Episode], behaviours: list[str], task_spec: TaskSpec) -> None:
    names = sorted(set(behaviours))
    writer = ShardWriter(folder, sum(episode.steps + 1 for episode in episodes))
    for episode in episodes:
        writer.append(step_columns([episode]))
    table = {
        "seed": np.array([episode.seed for episode in episodes]),
        "behaviour": np.array([names.index(name) for name in behaviours]),
    }
    writer.finish([episode.steps for episode in episodes], table, task_spec, names, {"played": {"by": "wm-lab play"}})


def _beside(frame: Frame, size: tuple[int, int]) -> Image.Image:
    width, height = size
    joined = Image.new("RGB", (2 * width + BETWEEN, height), "white")
    for number, data in enumerate(frame):
        joined.paste(Image.open(io.BytesIO(data)).resize(size), (number * (width + BETWEEN), 0))
    return joined
