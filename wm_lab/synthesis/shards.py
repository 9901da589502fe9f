"""Synthetic episodes on disk: the same format as a collection, so that everything that reads data reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.tasks.task import TaskSpec


def save(
    folder: Path,
    task_spec: TaskSpec,
    episodes: Sequence[Episode],
    behaviour: str,
    provenance: Mapping[str, Any],
    facts: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a shard; `provenance` says in JSON's terms where it is from, `facts` are further columns, [E] each."""
    columns = step_columns(episodes)
    writer = ShardWriter(folder, len(columns["reward"]))
    writer.append(columns)
    table = {"seed": np.array([episode.seed for episode in episodes]), **(facts or {})}
    writer.finish([episode.steps for episode in episodes], table, task_spec, [behaviour], provenance)
