"""What cannot work together, found in the settings alone, before anything is made."""

from __future__ import annotations

import torch

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.data.config import DataConfig
from wm_lab.data.rollout import PlayConfig, Player
from wm_lab.errors import UserError
from wm_lab.experiment.arms import ACTOR, PLANNED_ACTOR
from wm_lab.experiment.chosen import (
    is_simulator,
    learns_inside,
    value_class,
    values_ahead,
)
from wm_lab.experiment.clones import variants
from wm_lab.experiment.collections import REST
from wm_lab.experiment.dry_run import DryRun, blank_spec
from wm_lab.experiment.memory import require_memory
from wm_lab.experiment.parent_model import parent_of
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.objectives import ObjectiveConfig
from wm_lab.planners.planner import Planner
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.mpc import MPCConfig
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import TARGET, build, read_config, target
from wm_lab.tasks.task import Task, TaskSpec
from wm_lab.training.config import TrainerConfig
from wm_lab.training.distributed import require_devices
from wm_lab.world_model import WorldModel

CLONING = ("clone", "advised")
"""Options of exercises that need an expert, and can be switched off."""


def check_training(dry_run: DryRun) -> None:
    """Raise UserError where the model cannot be built for the task, or not learn from windows of this length."""
    settings, task = dry_run.settings, dry_run.task
    require_memory(dry_run)
    _check_trainer(settings, task, "trainer")
    if not is_simulator(settings):
        _check_parent(settings, task)
        dry_run.train()


def check_playing(dry_run: DryRun, task: Task) -> None:
    """Raise UserError where nobody could collect, plan or clone in the task as it is evaluated."""
    settings = dry_run.settings
    data = read_config(DataConfig, settings.data, "data")
    _check_expert(settings, task, data)
    _check_planners(settings, task.task_spec, data)
    check_collector(settings, data)
    check_objective(settings, task)
    if settings.objective.get("disagreement"):
        dry_run.plan()  # which a model without an ensemble cannot tell
    _check_value(dry_run)
    _check_trainer(settings, task, "bc_trainer")
    for name, section in variants(settings).items():
        _check_clone(dry_run, name, section, data)
    if settings.demonstrations < 2:
        raise UserError(f"demonstrations={settings.demonstrations} is too few to clone; use at least 2")
    if data.advised:
        dry_run.plan(settings.locally(), advised=True)


def check_exploration(dry_run: DryRun, exploring: Settings, data: DataConfig) -> None:
    """Raise UserError where nobody could seek what the model does not know. exploring: the settings of who does."""
    weight = f"objective.exploration={exploring.objective['exploration']}"
    if not data.rounds:
        raise UserError(
            f"{weight} is for rounds of data, and data.rounds=0 collects none; choose data=online, data=on_policy or "
            "objective.exploration=0"
        )
    if is_simulator(exploring):
        raise UserError(
            f"{weight} seeks what a model does not know, and model=simulator knows all; choose another model"
        )
    if data.collector == ACTOR:
        raise UserError(f"{weight} pays a planner, and data.collector=actor has none; choose mpc or mpc_actor")
    dry_run.plan(exploring)


def check_collector(settings: Settings, data: DataConfig) -> None:
    """Raise UserError where what shall collect rounds is not learned at all, or collects none."""
    if data.collector not in (ACTOR, PLANNED_ACTOR):
        return
    if not learns_inside(settings):
        raise UserError(
            f"data.collector={data.collector} is a behaviour learned in dreams, and behaviour="
            f"{settings.label('behaviour')} learns none; choose behaviour=actor_critic, or data.collector=mpc"
        )
    if not data.rounds:
        raise UserError(f"data.collector={data.collector} collects rounds, and data.rounds=0; choose data=online")


def _check_planners(settings: Settings, task_spec: TaskSpec, data: DataConfig) -> None:
    """Raise UserError where a planner looks beyond the episode, or begins at a proposal that nobody makes."""
    if build(Planner, settings.planner, "planner", task_spec.action_size).needs_proposals:
        raise UserError(
            f"planner={settings.label('planner')} searches around what a clone proposes, and the run's planner is "
            "asked without one; choose planner=cem. exercise=planning has it as an arm of its own, with the options "
            "local_planner, where there is a clone"
        )
    mpc = read_config(MPCConfig, settings.mpc, "mpc")
    horizon, steps = settings.planner["horizon"], task_spec.episode_steps
    if mpc.execute > horizon:
        raise UserError(f"mpc.execute={mpc.execute} exceeds planner.horizon={horizon}; lower one or raise the other")
    if horizon > steps:
        raise UserError(f"planner.horizon={horizon} exceeds the {steps} steps of {task_spec.name}; lower it")
    if (settings.exercise.get("clone") and settings.exercise.get("local")) or data.advised:
        ahead = build(Planner, settings.local_planner, "local_planner", task_spec.action_size).config.horizon
        if ahead > steps:
            raise UserError(f"local_planner.horizon={ahead} exceeds the {steps} steps of {task_spec.name}; lower it")


def _check_clone(dry_run: DryRun, name: str, section: Section, data: DataConfig) -> None:
    """Raise UserError where a variant of the clone cannot learn from windows or demonstrations of this length."""
    settings, task = dry_run.settings, dry_run.task
    with torch.random.fork_rng():
        clone = build(BehaviourCloning, section, "bc", blank_spec(task)).config
    sees, predicts, length = clone.history, clone.chunk, settings.bc_trainer["length"]
    if sees + predicts > length:
        raise UserError(
            f"bc.history={sees} and bc.chunk={predicts} do not fit into windows of bc_trainer.length={length}"
            f"{f', in cloning.variants.{name}' if name else ''}; lower them or raise it"
        )
    if predicts > REST + 1 and _clones(settings, data) and data.demonstrated is None:
        _check_demonstration(task, data, predicts)


def _clones(settings: Settings, data: DataConfig) -> bool:
    """Whether demonstrations are cloned."""
    return bool(settings.exercise.get("clone")) or needs_expert(settings) or data.advised


def _check_demonstration(task: Task, data: DataConfig, chunk: int) -> None:
    """Raise UserError where a demonstration, as the first one shows, ends before a chunk of a clone's actions does."""
    (shown,) = Player(lambda: task, ExpertPolicy(), PlayConfig(stop_after_success=REST, group=1))(
        data.demonstration_seeds(1)
    )
    check_chunk(chunk, shown.steps, f"a demonstration of {task.task_spec.name}")


def check_chunk(chunk: int, steps: int, what: str) -> None:
    """Raise UserError where the last actions of a clone's chunk would be learned from nothing: `what` has `steps`."""
    if chunk > steps:
        raise UserError(f"bc.chunk={chunk} is longer than {what}, which has {steps} actions; lower bc.chunk")


def check_behaviour(dry_run: DryRun, task: Task) -> None:
    """Raise UserError where nothing can be learned inside of the model, or of dreams of this length."""
    settings, steps = dry_run.settings, task.task_spec.episode_steps
    if is_simulator(settings):
        raise UserError(
            f"behaviour={settings.label('behaviour')} learns inside a learned model, and model=simulator is none; "
            "choose another model, or behaviour=none"
        )
    if (horizon := settings.behaviour["horizon"]) > steps:
        raise UserError(f"behaviour.horizon={horizon} exceeds the {steps} steps of {task.task_spec.name}; lower it")
    if settings.behaviour_trainer.get("init_from") is not None:
        raise UserError("behaviour_trainer.init_from: a behaviour begins anew in its model; set it to null")
    _check_trainer(settings, task, "behaviour_trainer")
    devices = settings.behaviour_trainer.get("devices", 1)
    if devices > 1 and not target(Behaviour, settings.behaviour, "behaviour").by_gradient:
        raise UserError(
            f"behaviour_trainer.devices={devices} share gradients, and behaviour={settings.label('behaviour')} learns "
            "without any; set it to 1"
        )
    dry_run.learn()


def _check_expert(settings: Settings, task: Task, data: DataConfig) -> None:
    """Raise UserError where an expert is needed and there is none, naming all that this exercise can do without."""
    if task.has_expert:
        return
    shown = data.demonstrated is not None
    if data.advised and not shown:
        raise UserError(
            f"data.advised=true asks a clone for advice, and {task.task_spec.name} has no expert to clone; "
            "set data.advised=false"
        )
    without = ["data=random"] if any(weight for name, weight in data.mixture.items() if name != "random") else []
    if not is_simulator(settings) and not shown:  # beside which nothing is cloned
        without += [f"exercise.{name}=false" for name in CLONING if settings.exercise.get(name)]
    if needs_expert(settings):
        raise UserError(
            f"exercise={settings.label('exercise')} clones an expert's demonstrations, and {task.task_spec.name} has "
            "no expert; give it one (task.expert), or ask exercise=planning, imagination or latent"
        )
    if without:
        raise UserError(
            f"{task.task_spec.name} has no expert; give it one (task.expert), or do without: {' '.join(without)}"
        )


def needs_expert(settings: Settings) -> bool:
    """Whether the exercise has nothing to do where nobody shows how."""
    chosen = settings.exercise
    return TARGET in chosen and getattr(target(object, chosen, "exercise"), "needs_expert", False)


def check_objective(settings: Settings, task: Task) -> None:
    """Raise UserError where the objective asks the task for what it cannot tell of a state."""
    weights = read_config(ObjectiveConfig, settings.objective, "objective")
    if weights.task_cost and not task.judges_states:
        raise UserError(
            f"objective.task_cost={weights.task_cost} judges imagined states, and of {task.task_spec.name} the "
            "environment alone knows the reward; choose objective=reward"
        )
    if weights.goal_distance:
        try:
            task.goal_observation()
        except LookupError as missing:
            raise UserError(
                f"objective.goal_distance={weights.goal_distance} needs a goal, and {missing.args[0]}; choose "
                "objective=reward"
            ) from missing


def _check_value(dry_run: DryRun) -> None:
    """Raise UserError where the task, or the model, cannot have the value that was asked for."""
    settings = dry_run.settings
    if not values_ahead(settings):
        return
    if is_simulator(settings) and value_class(settings).reads_model:
        raise UserError(
            f"value={settings.label('value')} reads what a world model has learnt, and model=simulator learns nothing; "
            "choose another model, or another value"
        )
    dry_run.plan(valued=True)


def require_way_back(task: Task, who: str, instead: str) -> None:
    """UserError where `who`, some option, would go back in time in a task that does not repeat itself."""
    if not task.repeatable:
        raise UserError(
            f"{who} goes back in time, and {task.task_spec.name} does not repeat itself, which task.stochastic=true "
            f"accepts; {instead}"
        )


def _check_parent(settings: Settings, task: Task) -> None:
    """Raise UserError where the world model cannot go on from what `trainer.init_from` names."""
    parent = parent_of(settings.trainer.get("init_from"), "world model", settings.seed, "trainer.init_from")
    if parent is not None:
        parent.child(WorldModel, settings.model, "model", task.task_spec.observation)


def _check_trainer(settings: Settings, task: Task, name: str) -> None:
    trainer = read_config(TrainerConfig, getattr(settings, name), name)
    require_devices(trainer.devices, torch.device(settings.device), f"{name}.devices")
    longest = task.task_spec.episode_steps + 1
    if trainer.length > longest:
        raise UserError(
            f"{name}.length={trainer.length} is longer than the episodes of {task.task_spec.name}, which hold "
            f"{longest} observations; lower {name}.length or raise task.episode_steps"
        )
