"""Demonstrations where nobody gave any: recorded ones, carried over to other places.

In the spirit of MimicGen (Mandlekar et al. 2023, arXiv 2310.17596), but the whole scene goes along, so that nothing
needs to be joined and labels stay what they were.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.synthesis.segments import Starts
from wm_lab.tasks.task import Task


def require_elsewhere(task: Task) -> None:
    """UserError unless episodes of the task can be carried over to other places."""
    card, why = task.card, "; choose exercise.generator.kind=noisy"
    if tuple(card.observation) != ("state",):
        raise UserError(f"only states can be carried elsewhere, and {card.name} shows {[*card.observation]}{why}")
    try:
        task.elsewhere(task.state()[None], np.random.default_rng(0))
    except LookupError as error:
        raise UserError(f"{error.args[0]}{why}") from error


def can_be_carried(task: Task) -> bool:
    try:
        require_elsewhere(task)
    except UserError:
        return False
    return True


def carried(starts: Starts, dataset: Dataset, task: Task, rng: np.random.Generator) -> Starts:
    """The same recorded steps, each at a place of its own."""
    states = {e: dataset.episode(e).state for e in np.unique(starts.episode).tolist()}
    motion = np.empty(len(starts), object)
    motion[:] = [task.elsewhere(states[e], rng) for e in starts.episode.tolist()]
    return replace(starts, motion=motion)
