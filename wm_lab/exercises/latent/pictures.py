"""The scenes to look at: maps of the latent coloured by what is true of each scene, and a picture of every scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.errors import UserError
from wm_lab.exercises.latent.held_out_frames import HeldOutFrames
from wm_lab.reports.maps import save_hoverable, scene_maps
from wm_lab.tasks.task import Task, Variable

THUMBNAIL = (96, 96)
"""Width and height of a scene's picture, in pixels."""


def draw_maps(
    flat: Mapping[str, np.ndarray],
    frames: HeldOutFrames,
    scenes: np.ndarray,
    variables: Sequence[Variable],
    path: Path,
    images: np.ndarray | None = None,
) -> Path:
    """Every embedding [E, 2] of the scenes, coloured by the piece that success depends on, phase and trajectory.

    images: [E, S, S, 3] uint8, what each scene looks like
    """
    piece = shown_variable(variables)
    values = frames.state[scenes][:, piece.slice]
    axes = [f"{piece.name} {'xyz'[i]}, {piece.unit}" for i in range(min(2, values.shape[1]))]
    colours = {
        **{name: values[:, i] for i, name in enumerate(axes)},
        "phase": frames.phase[scenes],
        "trajectory": frames.trajectory[scenes].astype(float),
    }
    where = [", ".join(f"{v:.3g}" for v in row) for row in values.tolist()]
    titles = [
        f"trajectory {frames.trajectory[s]}, step {frames.step[s]}, {frames.phase[s]}, {piece.name} {at} {piece.unit}"
        for s, at in zip(scenes, where, strict=True)
    ]
    figure = scene_maps(flat, colours, f"Latents of {len(scenes)} scenes, one of each held-out trajectory")
    return save_hoverable(figure, path, titles, images)


def shown_variable(variables: Sequence[Variable]) -> Variable:
    """The piece of the state that success depends on, in metres if there is one, else the first."""
    ranked = sorted(variables, key=lambda v: (v.tolerance is None, v.unit != "m"))
    return ranked[0]


def thumbnails(task: Task, dataset: Dataset, frames: HeldOutFrames, scenes: np.ndarray) -> np.ndarray | None:
    """A picture [E, S, S, 3] uint8 of every scene, as the task renders it; None where it does not, or not again."""
    if task.render_mode != "rgb_array" or not task.repeatable:
        return None
    images = []
    for snapshot in snapshots(task, dataset, frames.trajectory[scenes], frames.step[scenes]):
        task.restore(snapshot)
        try:
            images.append(task.render(THUMBNAIL))
        except UserError:  # it draws itself with a package that is not installed: no reason to lose the answer
            return None
    return np.stack(images)
