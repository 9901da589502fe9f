"""Synthetic episodes on disk: the same format as a collection, so that everything that reads data reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.shard import EPISODE_COLUMNS, OBSERVATION, STEP_COLUMNS, column_path, write_manifest
from wm_lab.tasks.task import TaskCard


def save(
    folder: Path,
    card: TaskCard,
    episodes: Sequence[Episode],
    behaviour: str,
    provenance: Mapping[str, Any],
    facts: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a shard; `provenance` says in JSON's terms where it is from, `facts` are further columns, [E] each."""
    columns = {
        OBSERVATION + key: np.concatenate([episode.observation[key] for episode in episodes])
        for key in episodes[0].observation
    }
    for name in STEP_COLUMNS:
        columns[name] = np.concatenate([getattr(episode, name) for episode in episodes])
    lengths = np.array([episode.steps for episode in episodes])
    table = {
        "episode.offset": np.cumsum(lengths + 1) - (lengths + 1),
        "episode.length": lengths,
        "episode.seed": [episode.seed for episode in episodes],
    }
    for name, dtype in EPISODE_COLUMNS.items():
        columns[name] = np.asarray(table.get(name, np.zeros(len(episodes))), dtype)
    for name, values in (columns | {f"episode.{name}": values for name, values in (facts or {}).items()}).items():
        np.save(column_path(folder, name), values)
    write_manifest(folder, card, [behaviour], provenance)
