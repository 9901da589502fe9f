"""Of all windows two are looked at: the one whose last error is the median, and the worst one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from wm_lab.evaluation.assessment import OVERALL
from wm_lab.exercises.imagination.readout import Readout
from wm_lab.exercises.imagination.stretches import Stretches
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Variable
from wm_lab.world_model import Imagination, WorldModel


class LookedAt(NamedTuple):
    """One window, imagined again."""

    name: str  # "median", "worst"
    stretch: Stretches  # this one alone
    imagination: Imagination  # [1, 1, H]
    imagined: np.ndarray  # [H, D] states
    error: np.ndarray  # [H] in `unit`
    unit: str  # "mm of tcp"

    @property
    def told(self) -> str:
        """`the median window: 12 mm of tcp after 10 steps`"""
        return f"the {self.name} window: {self.missed(len(self.error))} after {len(self.error)} steps"

    def missed(self, step: int) -> str:
        """The error of one step, from 1 on: `12 mm of tcp`"""
        error = float(self.error[step - 1])
        return f"{error:.{0 if error >= 10 else 1 if error >= 1 else 2}f} {self.unit}"


@torch.inference_mode()
def looked_at(
    model: WorldModel,
    readout: Readout,
    errors: Mapping[str, np.ndarray],
    stretches: Stretches,
    variables: tuple[Variable, ...],
) -> list[LookedAt]:
    """The median and the worst window by the last of the model's `errors`, {variable: [W, H]}."""
    name, scale, unit = _measure(variables)
    order = np.argsort(errors[name][:, -1])
    found = []
    for called, row in (("median", int(order[len(order) // 2])), ("worst", int(order[-1]))):
        stretch = stretches[row : row + 1]
        belief, _ = model.observe(stretch.observed.to(device_of(model)))
        imagination = model.imagine(belief, stretch.actions[:, None].to(device_of(model)))
        imagined = readout(imagination)[0, 0].double().cpu().numpy()
        found.append(LookedAt(called, stretch, imagination, imagined, scale * errors[name][row], unit))
    return found


def _measure(variables: tuple[Variable, ...]) -> tuple[str, float, str]:
    """What windows are ranked by: the first variable that success depends on, if it is in metres; else the whole."""
    for variable in variables:
        if variable.tolerance is not None and variable.unit == "m":
            return variable.name, 1000.0, f"mm of {variable.name}"
    return OVERALL, 1.0, "deviations"
