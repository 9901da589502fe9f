"""The dataset that a run was given instead of collecting its own, and what it may be used for.

A model may be trained on a recording of another task or other physics, as long as it looks the same; nothing may be
judged by it, for it would be judged by another truth than the task's.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import SAME, Dataset
from wm_lab.data.recording import open_recorded
from wm_lab.data.shard import OBSERVATION
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import plain
from wm_lab.tasks.task import TaskCard

log = logging.getLogger(__name__)


def open_recording(data: DataConfig, card: TaskCard) -> Dataset:
    """The dataset at `data.path`, with what the task shows of it; says in a warning what else is different.

    Raises UserError where there is none, or where observations or actions have other shapes than the task's.
    """
    path = Path(str(data.path))
    open_recorded(path)
    dataset = Dataset.open(path, split=data.split(), keys=tuple(card.observation))
    for key, shape in card.observation.items():
        recorded = dataset.shards[0].columns[OBSERVATION + key].shape[1:]
        if recorded != tuple(shape):
            raise UserError(
                f"data.path={path} holds {key} of shape {list(recorded)}, and {card.name} shows {list(shape)}; choose "
                "task=recorded, or the task that was recorded"
            )
    if dataset.card["action_size"] != card.action_size:
        raise UserError(
            f"data.path={path} holds {dataset.card['action_size']} actions, and {card.name} takes {card.action_size}; "
            "choose task=recorded, or the task that was recorded"
        )
    if found := differences(dataset, card):
        log.warning("training on %s for %s, though %s", path, card.name, "; ".join(found))
    return dataset


def differences(dataset: Dataset, card: TaskCard) -> list[str]:
    """In what a dataset is not of this task, its physics or its version; observations aside, which models choose."""
    mine: dict[str, Any] = plain(card)
    return [
        f"its {fact} is {dataset.card[fact]!r} and not {mine[fact]!r}"
        for fact in SAME
        if fact != "observation" and dataset.card[fact] != mine[fact]
    ]


def require_truth(dataset: Dataset, card: TaskCard, what: str) -> None:
    """Raise UserError where `what` would be judged by episodes of another task or other physics."""
    if found := differences(dataset, card):
        raise UserError(
            f"{what} judges by held-out episodes of data.path={dataset.shards[0].folder}, which is not of {card.name}: "
            f"{'; '.join(found)}; choose task=recorded, or a dataset of the task"
        )
