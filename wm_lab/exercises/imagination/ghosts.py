"""Imagined states over the truth: the simulator draws what the model foretold as a translucent ghost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.exercises.imagination.looked_at import LookedAt
from wm_lab.experiment.filming import frame_budget
from wm_lab.reports.filmstrip import grid, save_png
from wm_lab.reports.moving import Clip, save_moving, titled
from wm_lab.reports.words import GHOSTS
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.task import Task

SHORTEST, HZ = 150.0, 10.0
"""Milliseconds of a frame at least, for an eye to follow; control steps a second where nobody tells."""


class GhostWindow(NamedTuple):
    """What is imagined of a window, and the truth below it."""

    window: LookedAt
    true: np.ndarray  # [H + 1, S] snapshots, the first of the last observed step


def ghost_windows(windows: Sequence[LookedAt], data: Dataset, task: Task) -> list[GhostWindow]:
    """Nothing where the task draws no pictures, cannot go back, or does not say where a ghost would be."""
    if task.render_mode != "rgb_array" or not task.repeatable or not task.points(task.state()):
        return []
    found = []
    for window in windows:
        part, moments = window.stretch, len(window.imagined) + 1
        steps = int(part.step[0]) + part.context - 1 + np.arange(moments)
        found.append(GhostWindow(window, snapshots(task, data, np.repeat(part.episode, moments), steps)))
    return found


def ghost_pictures(
    ghosts: Sequence[GhostWindow], task: Task, steps: list[int], folder: Path
) -> tuple[dict[str, Path], list[Clip]]:
    """A filmstrip of the windows at the marked steps, and a clip of each."""
    size, most = frame_budget(task)
    rows, clips = {}, []
    for ghost in ghosts:
        window, horizon = ghost.window, len(ghost.window.imagined)
        stride = -(-horizon // most)
        shown = {step: _frame(task, ghost, step, size) for step in {*steps, *range(0, horizon + 1, stride), horizon}}
        rows[window.name] = np.stack([shown[step] for step in steps])
        pause = max(SHORTEST, 1000 * stride / (task.task_spec.control_hz or HZ))
        path = save_moving([shown[step] for step in sorted(shown)], folder / f"imagined_{window.name}", pause)
        told = f"imagined over true, {window.told}"
        alt = f"The scene as it was and, translucent over it, as the model imagined it. {told.capitalize()}."
        clips.append(Clip(f"imagined {window.name}", path, told, alt, (GHOSTS,)))
    strip = save_png(grid(rows, [f"step {step}" for step in steps]), folder / "imagined_over_true.png")
    return {"imagined (translucent) over true": strip}, clips


def _frame(task: Task, ghost: GhostWindow, step: int, size: tuple[int, int]) -> np.ndarray:
    window = ghost.window
    task.restore(ghost.true[step])
    if step == 0:
        return titled(task.render(size), "last seen")
    frame = task.render(size, overlay=Overlay(ghost=window.imagined[step - 1]))
    return titled(frame, f"step {step}: {window.missed(step)}")
