"""How wrong synthetic segments are: the same actions from the same real start, in the true simulator."""

from __future__ import annotations

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.synthesis.labels import StepScale
from wm_lab.synthesis.segments import Segments
from wm_lab.synthesis.world import SimulatedWorld
from wm_lab.tasks.task import Task


def true_error(
    segments: Segments, dataset: Dataset, task: Task, step_scale: StepScale, goal: slice | None = None
) -> np.ndarray:
    """Root mean square distance [M] of the kept frames from those that the executed actions really lead to.

    In standard deviations of the real data, over the L frames that were arrived at within the segment. `goal` says
    where in the state goals are that were set in hindsight: no simulator shows those, and they count as right.
    """
    world = SimulatedWorld(task)
    world.depart(dataset, segments.starts)
    if segments.before.shape[1]:
        world.advance(segments.before)
    truth = world.advance(segments.executed)
    if goal is not None:
        truth["state"][..., goal] = segments.observation["state"][:, 1:, goal]
    error = step_scale(segments.observation)[:, 1:] - step_scale(truth)
    distance: np.ndarray = np.sqrt(np.square(error).mean((1, 2)))
    return distance
