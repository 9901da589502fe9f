"""Relocated demonstrations: recorded ones, transformed to other scenes (cf. MimicGen, Mandlekar et al. 2023).

Unlike in MimicGen (arXiv 2310.17596) the whole scene is transformed, so no segments are stitched and labels stay exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.synthesis.segments import Starts
from wm_lab.tasks.task import Task


def require_relocatable(task: Task) -> None:
    """UserError unless episodes of the task can be relocated."""
    task_spec, why = task.task_spec, "; choose exercise.generator.kind=noisy"
    if tuple(task_spec.observation) != ("state",):
        raise UserError(f"only states can be relocated, and {task_spec.name} shows {[*task_spec.observation]}{why}")
    try:
        task.relocate(task.state()[None], np.random.default_rng(0))
    except LookupError as error:
        raise UserError(f"{error.args[0]}{why}") from error


def is_relocatable(task: Task) -> bool:
    try:
        require_relocatable(task)
    except UserError:
        return False
    return True


def relocated(starts: Starts, dataset: Dataset, task: Task, rng: np.random.Generator) -> Starts:
    """The same recorded steps, each relocated on its own."""
    states = {e: dataset.episode(e).state for e in np.unique(starts.episode).tolist()}
    motion = np.empty(len(starts), object)
    motion[:] = [task.relocate(states[e], rng) for e in starts.episode.tolist()]
    return replace(starts, motion=motion)
