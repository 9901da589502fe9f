"""What the windows of one training's model are judged with, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import snapshots
from wm_lab.evaluation.assessment import MODEL, Assessment, assess_groups, variable_errors, whether_there
from wm_lab.evaluation.baselines import LinearDynamics
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.means import paired_difference
from wm_lab.exercises.imagination.config import ImaginationConfig
from wm_lab.exercises.imagination.ghosts import GhostWindow, ghost_windows
from wm_lab.exercises.imagination.imagined_frames import ImaginedFrames, image_key
from wm_lab.exercises.imagination.looked_at import looked_at
from wm_lab.exercises.imagination.plans import episode_means, error_ratio, execute, propose, realised_return
from wm_lab.exercises.imagination.predictions import fit_linear, predict
from wm_lab.exercises.imagination.readout import Readout, decoded_state, fit_probe
from wm_lab.exercises.imagination.stretches import Stretches, draw, fair
from wm_lab.exercises.imagination.viewed import viewed_windows
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.planners.planner import Planner
from wm_lab.settings import build, read_config
from wm_lab.tasks.simulator import Simulator
from wm_lab.tasks.task import Task
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.view.sequences import Viewed
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
        there = whether_there(stretches.future[:, 0], variables)
        found = assess_groups(
            errors[MODEL], baselines, episode, contact, variables, there=there, resamples=self.resamples
        )
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
    ghosts: list[GhostWindow]  # to look at
    viewed: list[Viewed]  # the same for Rerun's viewer, where it is wanted


def judge_training(experiment: Experiment, config: ImaginationConfig, unseen: Dataset, split: str) -> Judged:
    """What the model of one training makes of the windows of this split, which are the same for all trainings."""
    model = trained_model(experiment)
    collection, training = experiment.data.dataset(rounds=0), experiment.data.dataset()
    judge = Judge(
        model=model,
        readout=_readout(model, training, experiment.task, config),
        linear=fit_linear(training),
        experiment=experiment,
        std=np.array(collection.spec.std["state"]),
        resamples=config.resamples,
    )
    key = image_key(model)
    keys = tuple(dict.fromkeys([*model.observation_keys, *([] if key is None else [key])]))
    stretches = draw(unseen, split, experiment.task, keys, config.windows, config.context, config.horizon)
    stretches = replace(stretches, windows=model.told(stretches.windows, unseen.instructions))
    frames = None if key is None else ImaginedFrames(model, key, stretches)
    errors = judge.errors(stretches, "imagine held-out windows", frames)
    planned = None
    if judges_plans(config, experiment.task):
        some = stretches[: fair(stretches.episode, config.planned_windows)]
        planned = _planned(judge, unseen, some, errors[MODEL])
    read_by = "decoder" if "state" in model.decoded_keys else "linear probe"
    task, first = experiment.task, experiment.tools.training == 0
    drawn = first and experiment.settings.media and frames is None
    rerun = first and experiment.run is not None and experiment.run.rerun
    shown = drawn or rerun
    windows = looked_at(model, judge.readout, errors[MODEL], stretches, task.task_spec.variables) if shown else []
    ghosts = ghost_windows(windows, unseen, task) if drawn else []
    viewed = viewed_windows(windows, model, unseen, task) if rerun else []
    return Judged(len(stretches), read_by, judge.assess(errors, stretches), planned, frames, ghosts, viewed)


def judges_plans(config: ImaginationConfig, task: Task) -> bool:
    """Whether the planner's own sequences are judged, which somebody must execute."""
    return config.planned_windows > 0 and task.playable


def trained_model(experiment: Experiment) -> WorldModel:
    """The model of this run; the simulator is made, not trained."""
    if is_simulator(experiment.settings):
        return build(WorldModel, experiment.settings.model, "model", experiment.task)
    return load_model(experiment.models.world_model(), WorldModel, experiment.tools.device)


def _readout(model: WorldModel, training: Dataset, task: Task, config: ImaginationConfig) -> Readout:
    """The model's own decoder of states, or a probe that learns it from what was filtered in training episodes."""
    if "state" in model.decoded_keys:
        return decoded_state(model)
    keys = model.observation_keys
    known = draw(training, "train", task, keys, config.probe_windows, config.context, config.horizon)
    return fit_probe(model, replace(known, windows=model.told(known.windows, training.instructions)))


def _planned(judge: Judge, data: Dataset, stretches: Stretches, behaviour: Mapping[str, np.ndarray]) -> Planned:
    """The same starts with the planner's actions; `behaviour` holds the model's errors with the recorded ones."""
    experiment, resamples = judge.experiment, judge.resamples
    settings, task = experiment.settings, experiment.task
    # As far ahead as is judged, not as the planner would look, so that both distributions have every step.
    horizon = stretches.actions.shape[1]
    looks = {"horizon": horizon, "action_block": min(settings.planner.get("action_block", 1), horizon)}
    planner = build(Planner, {**settings.planner, **looks}, "planner", experiment.task_spec.action_size)
    objective = build_objective(read_config(ObjectiveConfig, settings.objective, "objective"), judge.model, task.cost)
    with progress("plan from held-out states", len(stretches)) as bar:
        plans = propose(judge.model, planner, objective, stretches, task, bar.advance)
    last_seen = stretches.step + stretches.context - 1
    executed = execute(task, stretches, snapshots(task, data, stretches.episode, last_seen), plans.actions)
    rows = np.flatnonzero(executed.lasting)  # where an episode is over, nothing moves that could be foretold
    rows = rows[: fair(stretches.episode[rows], len(rows))]
    if not len(rows):
        return Planned(len(stretches), 0)
    executed = executed[rows]
    errors = judge.errors(executed, "imagine the planner's sequences")
    ratio = partial(error_ratio, episode=executed.episode, resamples=resamples)
    ratios = {name: ratio(errors[MODEL][name], behaviour[name][rows]) for name in errors[MODEL]}
    means = partial(episode_means, episode=executed.episode)
    gap = paired_difference(means(plans.predicted_return[rows]), means(realised_return(executed)))
    return Planned(len(stretches), len(rows), judge.assess(errors, executed), ratios, gap)
