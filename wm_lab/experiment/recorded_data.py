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
from wm_lab.tasks.task import TaskSpec

log = logging.getLogger(__name__)


def open_recording(data: DataConfig, task_spec: TaskSpec) -> Dataset:
    """The dataset at `data.path`, with what the task shows of it; says in a warning what else is different.

    Raises UserError where there is none, or where observations or actions have other shapes than the task's.
    """
    path = Path(str(data.path))
    open_recorded(path)
    dataset = Dataset.open(path, split=data.split(), keys=tuple(task_spec.observation))
    for key, shape in task_spec.observation.items():
        recorded = dataset.shards[0].columns[OBSERVATION + key].shape[1:]
        if recorded != tuple(shape):
            raise UserError(
                f"data.path={path} holds {key} of shape {list(recorded)}, and {task_spec.name} shows {list(shape)}; "
                "choose task=recorded, or the task that was recorded"
            )
    if dataset.task_spec["action_size"] != task_spec.action_size:
        raise UserError(
            f"data.path={path} holds {dataset.task_spec['action_size']} actions, and {task_spec.name} takes "
            f"{task_spec.action_size}; choose task=recorded, or the task that was recorded"
        )
    if found := differences(dataset, task_spec):
        log.warning("training on %s for %s, though %s", path, task_spec.name, "; ".join(found))
    return dataset


def differences(dataset: Dataset, task_spec: TaskSpec) -> list[str]:
    """In what a dataset is not of this task, its physics or its version; observations aside, which models choose."""
    mine: dict[str, Any] = plain(task_spec)
    return [
        f"its {fact} is {dataset.task_spec[fact]!r} and not {mine[fact]!r}"
        for fact in SAME
        if fact != "observation" and dataset.task_spec[fact] != mine[fact]
    ]


def require_truth(dataset: Dataset, task_spec: TaskSpec, what: str) -> None:
    """Raise UserError where `what` would be judged by episodes of another task or other physics."""
    if found := differences(dataset, task_spec):
        raise UserError(
            f"{what} judges by held-out episodes of data.path={dataset.shards[0].folder}, which is not of "
            f"{task_spec.name}: {'; '.join(found)}; choose task=recorded, or a dataset of the task"
        )
