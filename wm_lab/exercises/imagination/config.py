"""What the imagination exercise may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from wm_lab.domains import Amount, Count, Resamples, Several, Steps, Window
from wm_lab.errors import UserError
from wm_lab.evaluation.bootstrap import RESAMPLES


@dataclass
class ImaginationConfig:
    horizon: Steps = 20  # imagined steps
    context: Window = 5  # observed steps before them; one shows no velocity, which a baseline goes on with
    windows: Several = 400  # held-out windows, spread over unseen episodes, as many as validate
    planned_windows: Amount = 100  # of them, the first ones, from which the planner proposes; 0: none
    probe_windows: Count = 512  # training windows for the probe that reads states from a model that decodes none
    resamples: Resamples = RESAMPLES  # of the bootstrap over episodes

    def __post_init__(self) -> None:
        if self.planned_windows == 1 or self.planned_windows > self.windows:
            raise UserError(
                f"exercise.planned_windows={self.planned_windows} must be 0, or from 2 to "
                f"exercise.windows={self.windows}, whose first ones they are"
            )
