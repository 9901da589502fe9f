"""Brings the simulator back to any recorded step, so that snapshots need not be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.tasks.task import Task

TOLERANCE = 1e-5
"""Largest difference of state that counts as the same: simulations are exact, but not between kinds of CPU."""


def replay(task: Task, task_spec: Mapping[str, Any], episode: Episode, steps: Sequence[int]) -> np.ndarray:
    """Snapshots [K, S] of a recorded episode after `steps` [K] actions each, in the order asked for.

    Resets `task` with the episode's seed and plays its actions; `task_spec` is the dataset's, `task` is left at the
    last step played. Raises UserError where the simulator goes another way than it did when the episode was recorded.
    """
    if not steps or min(steps) < 0 or max(steps) > episode.steps:
        raise IndexError(f"steps {list(steps)} are not all within an episode of {episode.steps} actions")
    wanted = set(steps)
    snapshots: dict[int, np.ndarray] = {}
    task.reset(seed=episode.seed)
    for step in range(max(steps) + 1):
        if step:
            task.step(episode.action[step])
        error = float(np.abs(task.state() - episode.state[step]).max())
        if not error <= TOLERANCE:
            raise UserError(
                f"the episode with seed {episode.seed} does not replay: after {step} actions the state is off by "
                f"{error:.2g}; it was recorded on {task_spec['name']} with {task_spec['physics']}, this is "
                f"{task.task_spec.name} with {task.task_spec.physics}; install the recorded version, or collect the "
                "data again"
            )
        if step in wanted:
            snapshots[step] = task.snapshot()
    return np.stack([snapshots[step] for step in steps])


def snapshots(task: Task, dataset: Dataset, episode: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The simulator's state [M, S] after `step` [M] actions of the episodes `episode` [M], each replayed once."""
    rows = {int(e): np.flatnonzero(episode == e) for e in np.unique(episode)}
    found = {e: replay(task, dataset.task_spec, dataset.episode(e), step[r].tolist()) for e, r in rows.items()}
    out = np.empty((len(episode), next(iter(found.values())).shape[1]))
    for e, r in rows.items():
        out[r] = found[e]
    return out
