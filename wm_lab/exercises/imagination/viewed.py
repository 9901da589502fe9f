"""The windows that are looked at, truth and imagination, for Rerun's viewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.exercises.imagination.ghosts import measure, shown_rows
from wm_lab.exercises.imagination.imagined_frames import image_key
from wm_lab.exercises.imagination.readout import Readout
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.experiment.filming import SIZE
from wm_lab.system.device import device_of
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.task import Task
from wm_lab.view.recording import ImageSeries, Numbers, Shown
from wm_lab.view.sequences import Viewed, points, state_curves
from wm_lab.world_model import WorldModel

TRUE, IMAGINED = "true", "imagined"


@torch.inference_mode()
def viewed_windows(
    model: WorldModel,
    readout: Readout,
    errors: Mapping[str, np.ndarray],
    stretches: Stretches,
    data: Dataset,
    task: Task,
) -> list[Viewed]:
    """The median and the worst window by the last of the model's `errors`, {variable: [W, H]}: the H imagined steps."""
    name, scale, unit = measure(task.task_spec.variables)
    found = []
    for called, row in shown_rows(errors[name]).items():
        part = stretches[row : row + 1]
        belief, _ = model.observe(part.observed.to(device_of(model)))
        imagination = model.imagine(belief, part.actions[:, None].to(device_of(model)))
        imagined = readout(imagination)[0, 0].float().cpu().numpy()  # [H, D]
        error = scale * errors[name][row]
        shown: dict[str, Shown] = {
            **_pictures(task, data, part, imagined),
            **state_curves(task.task_spec, part.future[0], TRUE),
            **state_curves(task.task_spec, imagined, IMAGINED),
            "action": Numbers(part.actions[0].numpy(), [f"action {i}" for i in range(part.actions.shape[-1])]),
            f"reward/{TRUE}": Numbers(part.following.reward[0].numpy(), [f"{TRUE} reward"]),
            f"reward/{IMAGINED}": Numbers(imagination.reward[0, 0].float().cpu().numpy(), [f"{IMAGINED} reward"]),
            "error": Numbers(error, [unit]),
            **points(task.task_spec, part.future[0], TRUE),
            **points(task.task_spec, imagined, IMAGINED),
        }
        if (key := image_key(model)) is not None:
            frames = model.decode(imagination)[key][0, 0].float().cpu().numpy()
            shown[f"picture/{key}/{IMAGINED}"] = ImageSeries(list(frames.clip(0, 255).astype(np.uint8)))
            shown[f"picture/{key}/{TRUE}"] = ImageSeries(list(part.following.observation[key][0].numpy()))
        title = f"the {called} window: {error[-1]:.2g} {unit} after {len(error)} imagined steps"
        found.append(Viewed(title, shown, len(error)))
    return found


def _pictures(task: Task, data: Dataset, part: Stretches, imagined: np.ndarray) -> dict[str, Shown]:
    """Every step as it was, with what was imagined [H, D] translucent over it; none of a task that draws none."""
    if task.render_mode != "rgb_array" or not task.repeatable:
        return {}
    steps = int(part.step[0]) + part.context + np.arange(len(imagined))
    ghostly = bool(task.points(task.state()))
    frames: Sequence[np.ndarray] = []
    for snapshot, ghost in zip(
        snapshots(task, data, np.repeat(part.episode, len(steps)), steps), imagined, strict=True
    ):
        task.restore(snapshot)
        frames = [*frames, task.render(SIZE, overlay=Overlay(ghost=ghost) if ghostly else Overlay())]
    return {"picture/scene": ImageSeries(frames)}
