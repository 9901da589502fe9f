"""Imagined states over the truth: the simulator draws what the model foretold as a translucent ghost.

Of all windows two are shown: the one whose last error is the median, and the worst one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.evaluation.assessment import OVERALL
from wm_lab.exercises.imagination.readout import Readout
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.experiment.filming import frame_budget
from wm_lab.reports.filmstrip import grid, save_png
from wm_lab.reports.moving import Clip, save_moving, titled
from wm_lab.system.device import device_of
from wm_lab.tasks.overlay import Overlay
from wm_lab.tasks.task import Task, Variable
from wm_lab.world_model import WorldModel

SHORTEST, HZ = 150.0, 10.0
"""Milliseconds of a frame at least, for an eye to follow; control steps a second where nobody tells."""


@dataclass(frozen=True)
class GhostWindow:
    """One stretch: where the truth was, and where the model thought that it would be."""

    name: str  # "median", "worst"
    true: np.ndarray  # [H + 1, S] snapshots, the first of the last observed step
    imagined: np.ndarray  # [H, D] states
    error: np.ndarray  # [H] in `unit`
    unit: str  # "mm of tcp"


@torch.inference_mode()
def extremes(
    model: WorldModel,
    readout: Readout,
    errors: Mapping[str, np.ndarray],
    stretches: Stretches,
    data: Dataset,
    task: Task,
) -> list[GhostWindow]:
    """The median and the worst window by the last of the model's `errors`, {variable: [W, H]}.

    Nothing where the task draws no pictures, cannot go back, or does not say where a ghost would be.
    """
    if task.render_mode != "rgb_array" or not task.repeatable or not task.points(task.state()):
        return []
    name, scale, unit = measure(task.task_spec.variables)
    found = []
    for called, row in shown_rows(errors[name]).items():
        part = stretches[row : row + 1]
        belief, _ = model.observe(part.observed.to(device_of(model)))
        imagined = readout(model.imagine(belief, part.actions[:, None].to(device_of(model))))[0, 0]
        horizon = len(imagined)
        steps = int(part.step[0]) + part.context - 1 + np.arange(horizon + 1)
        true = snapshots(task, data, np.repeat(part.episode, horizon + 1), steps)
        states = imagined.double().cpu().numpy()
        found.append(GhostWindow(called, true, states, scale * errors[name][row], unit))
    return found


def ghost_pictures(
    windows: list[GhostWindow], task: Task, steps: list[int], folder: Path
) -> tuple[dict[str, Path], list[Clip]]:
    """A filmstrip of the windows at the marked steps, and a clip of each."""
    size, most = frame_budget(task)
    rows, clips = {}, []
    for window in windows:
        horizon = len(window.imagined)
        stride = -(-horizon // most)
        shown = {step: _frame(task, window, step, size) for step in {*steps, *range(0, horizon + 1, stride), horizon}}
        rows[window.name] = np.stack([shown[step] for step in steps])
        pause = max(SHORTEST, 1000 * stride / (task.task_spec.control_hz or HZ))
        path = save_moving([shown[step] for step in sorted(shown)], folder / f"imagined_{window.name}", pause)
        told = (
            f"imagined over true, the {window.name} window: {window.error[-1]:.2g} {window.unit} after {horizon} steps"
        )
        alt = f"The scene as it was and, translucent over it, as the model imagined it. {told.capitalize()}."
        clips.append(Clip(f"imagined {window.name}", path, told, alt))
    strip = save_png(grid(rows, [f"step {step}" for step in steps]), folder / "imagined_over_true.png")
    return {"imagined (translucent) over true": strip}, clips


def _frame(task: Task, window: GhostWindow, step: int, size: tuple[int, int]) -> np.ndarray:
    task.restore(window.true[step])
    if step == 0:
        return titled(task.render(size), "last seen")
    frame = task.render(size, overlay=Overlay(ghost=window.imagined[step - 1]))
    return titled(frame, f"step {step}: {window.error[step - 1]:.2g} {window.unit}")


def shown_rows(error: np.ndarray) -> dict[str, int]:
    """Which windows are looked at, by the last of their errors [W, H]."""
    order = np.argsort(error[:, -1])
    return {"median": int(order[len(order) // 2]), "worst": int(order[-1])}


def measure(variables: tuple[Variable, ...]) -> tuple[str, float, str]:
    """What windows are ranked by: the first variable that success depends on, if it is in metres; else the whole."""
    for variable in variables:
        if variable.tolerance is not None and variable.unit == "m":
            return variable.name, 1000.0, f"mm of {variable.name}"
    return OVERALL, 1.0, "deviations"
