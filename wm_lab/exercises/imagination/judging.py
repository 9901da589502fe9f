"""What the windows of one training's model are judged with, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from wm_lab.evaluation.assessment import MODEL, Assessment, assess_groups, variable_errors
from wm_lab.evaluation.baselines import LinearDynamics
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.exercises.imagination.imagined_frames import ImaginedFrames
from wm_lab.exercises.imagination.predictions import predict
from wm_lab.experiment.arms import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.readout import Readout
from wm_lab.experiment.stretches import Stretches
from wm_lab.settings import build
from wm_lab.tasks.simulator import Simulator
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel


class Judge(NamedTuple):
    """What every stretch is judged with."""

    model: WorldModel
    readout: Readout
    linear: LinearDynamics
    experiment: Experiment
    std: np.ndarray  # [D] of the state, over the training split
    resamples: int

    def errors(
        self, stretches: Stretches, title: str, frames: ImaginedFrames | None = None
    ) -> dict[str, dict[str, np.ndarray]]:
        """{predictor: {variable: [W, H]}}"""
        with progress(title, len(stretches)) as bar:
            look = None if frames is None else frames.look
            states = predict(self.model, self.readout, self.linear, stretches, look=look, advance=bar.advance)
        variables = self.experiment.task_spec.variables
        return {who: variable_errors(said, stretches.future, variables, self.std) for who, said in states.items()}

    def assess(self, errors: Mapping[str, dict[str, np.ndarray]], stretches: Stretches) -> dict[str, Assessment]:
        """All windows, those with contact, those in free motion."""
        baselines = {who: values for who, values in errors.items() if who != MODEL}
        variables = self.experiment.task_spec.variables
        episode, contact = stretches.episode, stretches.contact
        found = assess_groups(errors[MODEL], baselines, episode, contact, variables, resamples=self.resamples)
        told = 0 if isinstance(self.model, Simulator) else 1  # the truth has learnt nothing
        return {
            name: replace(a, trainings=told)
            for name, a in found.items()
            if name == "all" or a.windows < len(stretches)  # where all windows are of one kind, that kind is no news
        }


@dataclass(frozen=True)
class Planned:
    """What the planner's own sequences led to; of `asked` windows, `judged` ones."""

    asked: int
    judged: int
    found: dict[str, Assessment] = field(default_factory=dict)  # by group of windows
    ratios: dict[str, list[Interval]] = field(default_factory=dict)  # {variable: error over that on recorded ones [H]}
    predicted_minus_realised: Interval = field(default_factory=undefined)  # return of the plans


@dataclass(frozen=True)
class Judged:
    """What one training's model made of the held-out windows."""

    windows: int
    read_by: str
    held_out: dict[str, Assessment]  # by group of windows
    planned: Planned | None  # None: nobody plans
    frames: ImaginedFrames | None  # None: it imagines no images


def trained_model(experiment: Experiment) -> WorldModel:
    """The model of this run; the simulator is made, not trained."""
    if is_simulator(experiment.settings):
        return build(WorldModel, experiment.settings.model, "model", experiment.task)
    return load_model(experiment.models.world_model(), WorldModel, experiment.tools.device)
