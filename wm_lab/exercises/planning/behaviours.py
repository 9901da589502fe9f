"""What was learned in the dreams of the world model plays too: on its own, and as adviser and critic of a planner."""

from __future__ import annotations

from collections.abc import Iterator

from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.planning.actor_rounds import ActorRounds, tell_choice
from wm_lab.experiment.arms import ACTOR, CRITIC, PLANNED_ACTOR, Arm, behaviour_arm
from wm_lab.experiment.checks import check_behaviour
from wm_lab.experiment.chosen import learns_inside
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.side_by_side import train_behaviours
from wm_lab.experiment.validation import Tried, validation_numbers, validation_verdict
from wm_lab.reports.learning_curve import learning_curve


def check_behaviour_arms(experiment: Experiment, choice: ActorRounds | None) -> None:
    """Raise UserError where the behaviour could not be learned, validated, chosen or planned with."""
    settings = experiment.settings
    if choice is not None:
        choice.check(experiment)
    if not learns_inside(settings):
        return
    check_behaviour(experiment.dry_run, experiment.task)
    if episodes := settings.behaviour["validation_episodes"]:
        experiment.data.validation_manifest(episodes)
    experiment.dry_run.plan(settings.with_objective(CRITIC), behaved=True)


def learn_behaviours(experiment: Experiment, choice: ActorRounds | None) -> None:
    """The behaviour of every training, side by side, and the round of the one that plays; nothing where none was asked
    for."""
    if learns_inside(experiment.settings):
        train_behaviours(experiment)
        if choice is not None:
            choice.select(experiment.trainings)


def behaviour_arms(experiment: Experiment, choice: ActorRounds | None) -> Iterator[Arm]:
    """The behaviour of one training, where one was asked for: reacting, and planned with, in the model it learned in.

    choice: how its round is chosen; None: it is the last
    """
    settings = experiment.settings
    if not learns_inside(settings):
        return
    rounds = None if choice is None else choice.chosen(experiment)
    model, behaviour = experiment.models.world_model(rounds), experiment.models.behaviour(rounds)
    for name in (ACTOR, PLANNED_ACTOR):
        yield behaviour_arm(name, settings, model, behaviour)


def tell_validation(experiment: Experiment, answer: Answer, choice: ActorRounds | None) -> None:
    """Add to the answer what validation episodes say of the behaviours that play: which round's they are, where that
    was chosen, and their curves, where their trainings were tried."""
    if not learns_inside(experiment.settings):
        return
    rounds: list[int | None] = [None] * len(experiment.trainings)
    if choice is not None:
        choices = choice.select(experiment.trainings)  # all of it is in the store by now
        tell_choice(answer, experiment, choices)
        rounds = [each.chosen for each in choices]
    plays = [each.models.behaviour(chosen) for each, chosen in zip(experiment.trainings, rounds, strict=True)]
    trials = [Tried.read(behaviour.parent) for behaviour in plays]
    if all(trials):
        answer.verdicts.append(validation_verdict(trials))
        answer.numbers["behaviour"] = told = validation_numbers(trials)
        answer.figures["behaviour"] = learning_curve(told)
