"""Which instruction each episode of a LeRobot folder follows: that of its first frame, as LeRobot itself reads it.

Frames carry a `task_index`, which meta/tasks.parquet gives words; where that file is missing, meta/episodes tells.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.lerobot_layout import TASKS
from wm_lab.formats.parquet import Parquet, numbers


def instructions_of(folder: Path, files: Iterable[Path], episodes: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Which instruction each of the `episodes` [E] follows [E], and the instructions; `files` hold the frames.

    UserError where a frame asks for a task that nobody described.
    """
    tasks = _by_frames(folder / TASKS, files, episodes) if (folder / TASKS).exists() else _by_episodes(folder, episodes)
    found = list(dict.fromkeys(tasks))
    return np.array([found.index(task) for task in tasks]), found


def _by_frames(described: Path, files: Iterable[Path], episodes: np.ndarray) -> list[str]:
    table = Parquet(described)
    words = "__index_level_0__" if "task" not in table.names else "task"  # pandas' name for an index without one
    known = dict(zip(numbers(table, "task_index").tolist(), map(str, table.strings(words)), strict=True))
    asked: dict[int, int] = {}
    for file in files:
        frames = Parquet(file, ["episode_index", "task_index"])
        owners, first = np.unique(numbers(frames, "episode_index"), return_index=True)
        asked |= dict(zip(owners.tolist(), numbers(frames, "task_index")[first].tolist(), strict=True))
    if lost := [episode for episode in episodes.tolist() if asked.get(episode) not in known]:
        raise UserError(
            f"episode {lost[0]} follows task {asked.get(lost[0])}, and {described} describes {sorted(known)}; copy the "
            "dataset again"
        )
    return [known[asked[episode]] for episode in episodes.tolist()]


def _by_episodes(folder: Path, episodes: np.ndarray) -> list[str]:
    """The first of each episode's own list; empty where there are none."""
    tables = [Parquet(path) for path in sorted((folder / "meta" / "episodes").glob("*/*.parquet"))]
    order = np.argsort(np.concatenate([numbers(table, "episode_index") for table in tables]), kind="stable")
    if not all("tasks" in table.names for table in tables):
        return [""] * len(episodes)
    tasks = [str(said[0]) if said else "" for table in tables for said in table.strings("tasks")]
    return [tasks[order[episode]] for episode in episodes.tolist()]
