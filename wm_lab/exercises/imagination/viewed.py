"""The windows that are looked at, truth and imagination, for Rerun's viewer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.exercises.imagination.imagined_frames import image_key
from wm_lab.exercises.imagination.looked_at import LookedAt
from wm_lab.experiment.filming import SIZE
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.task import Task
from wm_lab.view.recording import ImageSeries, Numbers, Shown
from wm_lab.view.sequences import Viewed, points, state_curves
from wm_lab.world_model import WorldModel

TRUE, IMAGINED = "true", "imagined"


@torch.inference_mode()
def viewed_windows(windows: Sequence[LookedAt], model: WorldModel, data: Dataset, task: Task) -> list[Viewed]:
    """Each with what was true and what was imagined beside one another."""
    found = []
    for window in windows:
        part, imagined, imagination = window.stretch, window.imagined, window.imagination
        shown: dict[str, Shown] = {
            **_pictures(task, data, window),
            **state_curves(task.task_spec, part.future[0], TRUE),
            **state_curves(task.task_spec, imagined, IMAGINED),
            "action": Numbers(part.actions[0].numpy(), [f"action {i}" for i in range(part.actions.shape[-1])]),
            f"reward/{TRUE}": Numbers(part.following.reward[0].numpy(), [f"{TRUE} reward"]),
            f"reward/{IMAGINED}": Numbers(imagination.reward[0, 0].float().cpu().numpy(), [f"{IMAGINED} reward"]),
            "error": Numbers(window.error, [window.unit]),
            **points(task.task_spec, part.future[0], TRUE),
            **points(task.task_spec, imagined, IMAGINED),
        }
        if (key := image_key(model)) is not None:
            frames = model.decode(imagination)[key][0, 0].float().cpu().numpy()
            shown[f"picture/{key}/{IMAGINED}"] = ImageSeries(list(frames.clip(0, 255).astype(np.uint8)))
            shown[f"picture/{key}/{TRUE}"] = ImageSeries(list(part.following.observation[key][0].numpy()))
        found.append(Viewed(window.told, shown))
    return found


def _pictures(task: Task, data: Dataset, window: LookedAt) -> dict[str, Shown]:
    """Every step as it was, with what was imagined translucent over it; none of a task that draws none."""
    if task.render_mode != "rgb_array" or not task.repeatable:
        return {}
    part = window.stretch
    steps = int(part.step[0]) + part.context + np.arange(len(window.imagined))
    ghostly = bool(task.points(task.state()))
    frames = []
    true = snapshots(task, data, np.repeat(part.episode, len(steps)), steps)
    for snapshot, ghost in zip(true, window.imagined, strict=True):
        task.restore(snapshot)
        frames.append(task.render(SIZE, overlay=Overlay(ghost=ghost) if ghostly else Overlay()))
    return {"picture/scene": ImageSeries(frames)}
