"""What was learned in the dreams of the world model plays too: on its own, and as adviser and critic of a planner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wm_lab.exercises.exercise import Answer
from wm_lab.experiment.arms import (
    ACTOR,
    CRITIC,
    PLANNED_ACTOR,
    Arm,
    behaviour_arm,
)
from wm_lab.experiment.checks import check_behaviour
from wm_lab.experiment.chosen import learns_inside
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.side_by_side import train_behaviours
from wm_lab.experiment.validation import Tried, validation_numbers, validation_verdict
from wm_lab.reports.learning_curve import learning_curve


def check_behaviour_arms(experiment: Experiment) -> None:
    """Raise UserError where the behaviour could not be learned, validated, or planned with."""
    settings = experiment.settings
    if not learns_inside(settings):
        return
    check_behaviour(experiment.dry_run, experiment.task)
    if episodes := settings.behaviour["validation_episodes"]:
        experiment.data.validation_manifest(episodes)
    experiment.dry_run.plan(settings.with_objective(CRITIC), behaved=True)


def learn_behaviours(experiment: Experiment) -> None:
    """The behaviour of every training, side by side; nothing where none was asked for."""
    if learns_inside(experiment.settings):
        train_behaviours(experiment)


def behaviour_arms(experiment: Experiment, model: Path) -> Iterator[Arm]:
    """The behaviour of one training, where one was asked for: reacting, and planned with."""
    settings = experiment.settings
    if not learns_inside(settings):
        return
    behaviour = experiment.models.behaviour()
    for name in (ACTOR, PLANNED_ACTOR):
        yield behaviour_arm(name, settings, model, behaviour)


def tell_validation(experiment: Experiment, answer: Answer) -> None:
    """Add what validation episodes say of the behaviours to the answer, and their curves; nothing without any."""
    if not learns_inside(experiment.settings):
        return
    trials = [Tried.read(each.models.behaviour().parent) for each in experiment.trainings]
    if all(trials):
        answer.verdicts.append(validation_verdict(trials))
        answer.numbers["behaviour"] = told = validation_numbers(trials)
        answer.figures["behaviour"] = learning_curve(told)
