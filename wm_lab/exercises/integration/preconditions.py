"""What the exercise of joining a world model with a policy refuses, before any work."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import NamedTuple

from wm_lab.data.rollout import PlayConfig, Player
from wm_lab.errors import UserError
from wm_lab.exercises.integration.answer import AUGMENTED, FINAL, MPC, SEARCHED
from wm_lab.exercises.integration.config import DECODERS, EXECUTED, IntegrationConfig
from wm_lab.exercises.integration.subgoal_trainings import DECODER as DECODER_CHOICE
from wm_lab.exercises.integration.subgoal_trainings import decoder_trainer
from wm_lab.experiment.checks import check_behaviour, require_way_back
from wm_lab.experiment.chosen import is_simulator, learns_inside
from wm_lab.experiment.collections import REST
from wm_lab.experiment.dry_run import DryRun
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.recorded_data import differences
from wm_lab.experiment.run_settings import Section
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import target
from wm_lab.world_model import ActsByVideo, WorldModel


def check(config: IntegrationConfig, experiment: Experiment) -> None:
    """Raise UserError where an arm could not be made; called before any work."""
    settings, task = experiment.settings, experiment.task
    experiment.require_playable("exercise=integration")
    experiment.require_nominal("exercise=integration")
    require_way_back(task, "exercise=integration", "choose exercise=planning")
    if tuple(task.task_spec.observation) != ("state",):
        raise UserError(
            f"exercise=integration has sub-goals that are states, and {task.task_spec.name} shows "
            f"{', '.join(task.task_spec.observation)}; set task.observation=state"
        )
    if not task.task_spec.success_test:
        raise UserError(
            f"exercise=integration counts success, and {task.task_spec.name} only pays; choose another task"
        )
    if is_simulator(settings):
        raise UserError(
            "exercise=integration joins a learnt model with a policy, and model=simulator is the truth, which is "
            "its arm `simulator` anyway; choose another model"
        )
    experiment.data.manifest(config.episodes)  # raises where there are not so many test starts
    _check_data(config, experiment)
    longest = _longest(experiment)
    longest.require(config.subgoals.steps, f"exercise.subgoals.steps={config.subgoals.steps}")
    if MPC in config.arms:
        experiment.dry_run.plan()
    if SEARCHED in config.arms:
        _check_search(config, experiment)
    if set(DECODERS) & set(config.arms):
        section = config.decoder_section
        _check_decoder(experiment, section)
        longest.require(section["chunk"] - 1, f"exercise.decoder.chunk={section['chunk']}")
    if learns_inside(settings):
        check_behaviour(experiment.dry_run, task)
    if config.validation is not None:
        config.validation.check(experiment)
    if LOCAL in config.arms or config.validation is not None:
        experiment.dry_run.plan(settings.locally(), advised=True)


def _check_data(config: IntegrationConfig, experiment: Experiment) -> None:
    """UserError where an arm could not learn from the demonstrations, or not from what the model decodes."""
    wanted, data, name = set(config.arms), experiment.data, experiment.task_spec.name
    blind, model = sorted({SEARCHED, AUGMENTED} & wanted), experiment.settings.label("model")
    decodes = not (blind or config.imagines_goals) or "state" in experiment.dry_run.model.decoded_keys
    if blind and not decodes:
        raise UserError(
            f"{', '.join(blind)} look at decoded states, and model={model} decodes none; choose another model, or "
            "leave them out of exercise.arms"
        )
    if not decodes:
        raise UserError(
            f"exercise.imagined_goals={config.imagined_goals} shows the executor decoded states, and model={model} "
            "decodes none; choose another model, or set it to 0"
        )
    shown = data.config.demonstrated
    if shown is not None and AUGMENTED in wanted:
        raise UserError(
            f"{AUGMENTED} goes back to demonstrations of the expert; leave out data.demonstrated, or leave it out "
            "of exercise.arms"
        )
    joined = shown is not None and config.collection and bool(wanted & {*EXECUTED, FINAL})
    if joined and (found := differences(data.demonstrated, experiment.task_spec)):
        raise UserError(
            f"exercise.collection=true joins data.demonstrated={shown} with episodes of {name}, and "
            f"{'; '.join(found)}; set exercise.collection=false"
        )


def _check_search(config: IntegrationConfig, experiment: Experiment) -> None:
    """UserError where nothing can be searched for so far ahead."""
    settings, steps = experiment.settings, experiment.task_spec.episode_steps
    horizon = config.imagined.ahead * config.subgoals.steps
    if horizon > steps:
        raise UserError(
            f"exercise.imagined.ahead={config.imagined.ahead} times exercise.subgoals.steps="
            f"{config.subgoals.steps} exceeds the {steps} steps of {experiment.task_spec.name}; lower one"
        )
    experiment.dry_run.plan(settings.with_planner({"horizon": horizon}))


def _check_decoder(experiment: Experiment, section: Section) -> None:
    """UserError where option C's model is none that acts, or could not be trained."""
    if not issubclass(target(WorldModel, section, DECODER_CHOICE), ActsByVideo):
        raise UserError(
            f"{', '.join(DECODERS)} need a model that acts and knows inverse dynamics; choose "
            f"{DECODER_CHOICE}=decoder_only, or leave them out of exercise.arms"
        )
    trainer = asdict(decoder_trainer(experiment.settings, section))
    settings = replace(experiment.settings.with_model(section, "decoder"), trainer=trainer)
    DryRun(settings, experiment.task, experiment.tools.store).train()


class Longest(NamedTuple):
    """Of the episodes that executors and decoders learn from."""

    actions: int
    what: str  # it is

    def require(self, steps: int, option: str) -> None:
        """UserError where `option` asks for a moment so many steps later, which no episode has."""
        if steps >= self.actions:
            raise UserError(f"{option} reaches beyond {self.what}, which has {self.actions} actions; lower it")


def _longest(experiment: Experiment) -> Longest:
    """Of the expert's the first one, which is played now, in place of all."""
    shown, data = experiment.data.config.demonstrated, experiment.data
    if shown is not None:
        lengths = data.demonstrated.table.length[data.demonstrated.episodes("train")]
        return Longest(int(lengths.max()), f"every solved episode of data.demonstrated={shown} to train on")
    play = Player(lambda: experiment.task, ExpertPolicy(), PlayConfig(stop_after_success=REST, group=1))
    (first,) = play(data.config.demonstration_seeds(1))
    return Longest(first.steps, f"a demonstration of {experiment.task_spec.name}")
