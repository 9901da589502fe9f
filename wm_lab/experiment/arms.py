"""Who plays: each arm of a comparison as a recipe (what it depends on) and a factory (that worker processes call)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from wm_lab.errors import UserError
from wm_lab.experiment.scoring import Audited
from wm_lab.experiment.settings import Section, Settings
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.model_rollout import ModelRollout
from wm_lab.policies.mpc import MPC, MPCConfig
from wm_lab.policies.proposals import BCProposals
from wm_lab.policies.reactive import ReactivePolicy
from wm_lab.policies.scripted import DoNothing, ExpertPolicy, RandomPolicy, RandomPolicyConfig
from wm_lab.policy import Policy
from wm_lab.settings import build, read_config, target
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task, TaskCard
from wm_lab.tasks.true_dynamics import JudgedSimulator
from wm_lab.tasks.varied import vary
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import ActsItself, DataSpec, WorldModel

LEARNED_REWARD = {"reward": 1.0, "task_cost": 0.0, "goal_distance": 0.0}
TRUE_COST = {"reward": 0.0, "task_cost": 1.0, "goal_distance": 0.0}
"""The two ways of judging an imagined future that attribution compares; other weights stay the user's."""


def truth(task: Task) -> dict[str, float]:
    """How the true dynamics are judged: by the task's cost of states or, where only playing tells, by what it paid."""
    return TRUE_COST if task.judges_states else LEARNED_REWARD


FEW = 5
"""Episodes side by side of an arm that plays ten: two groups, one a core of a small machine."""


@dataclass(frozen=True)
class Arm:
    name: str
    recipe: Section  # everything its behaviour depends on, in JSON's terms
    make: Callable[[], Policy]  # picklable
    group: int = 16  # episodes played side by side
    slow: bool = False  # plans in the true simulator: plays fewer episodes


def slowly(arm: Arm) -> Arm:
    """The same as one that plans in the true simulator: few episodes, in groups so small that every core has some."""
    return replace(arm, slow=True, group=FEW)


def scripted_arms() -> list[Arm]:
    """What every table shows: the ceiling, and the two floors."""
    return [
        Arm("expert", {"policy": "expert"}, ExpertPolicy),
        Arm("random", {"policy": "random"}, partial(RandomPolicy, RandomPolicyConfig())),
        Arm("noop", {"policy": "do-nothing"}, DoNothing),
    ]


def bc_arm(settings: Settings, checkpoint: Path) -> Arm:
    recipe = {"policy": "bc", "checkpoint": checkpoint.parent.name}
    return Arm("bc", recipe, partial(_make_bc, settings.task, checkpoint))


def reactive_arm(settings: Settings, checkpoint: Path) -> Arm:
    """The world model's own policy."""
    recipe = {"policy": "reactive", "checkpoint": checkpoint.parent.name, "device": settings.device}
    return Arm("policy", recipe, partial(_make_reactive, settings, checkpoint))


def mpc_arm(
    settings: Settings,
    name: str,
    checkpoint: Path | None,
    *,
    true_dynamics: bool = False,
    judged_by: dict[str, float] | None = None,
    planner: Section | None = None,
    proposals: Path | None = None,
    reranked: bool = False,
    reranker: Path | None = None,
) -> Arm:
    """Planning in the learned model, or in the true simulator (`true_dynamics`).

    checkpoint: of the learned model; with true dynamics, of the model that judges them (None: the task's own cost)
    judged_by: objective weights that replace the configured ones
    planner: options that replace the configured ones
    proposals: checkpoint of a cloned policy that advises the search
    reranked: whether a second model chooses among the elites: that of the checkpoint `reranker` (None: the simulator)
    """
    objective = {**settings.objective, **(judged_by or {})}
    chosen = {**settings.planner, **(planner or {})}
    recipe: Section = {
        "policy": "mpc",
        "checkpoint": None if checkpoint is None else checkpoint.parent.name,
        "true_dynamics": true_dynamics,
        "planner": chosen,
        "objective": objective,
        "mpc": settings.mpc,
        "proposals": None if proposals is None else proposals.parent.name,
        "device": settings.device,
    }
    if revision := getattr(target(chosen, "planner"), "REVISION", 0):
        recipe["planner_revision"] = revision
    if reranked:  # without, the name stays what it was before there were two models
        recipe["reranker"] = "simulator" if reranker is None else reranker.parent.name
    make = partial(_make_mpc, settings, chosen, objective, checkpoint, true_dynamics, proposals, reranked, reranker)
    return Arm(name, recipe, make)


def assemble(
    settings: Settings,
    task: Task,
    model: WorldModel,
    planner: Section,
    objective: Section,
    clone: BehaviourCloning | None = None,
    reranker: WorldModel | None = None,
) -> MPC:
    """Planning in `model` for `task` with these options; the clone, if any, proposes, and the reranker chooses."""
    config: MPCConfig = read_config(MPCConfig, settings.mpc, "mpc")
    config = replace(config, execute=min(config.execute, planner["horizon"]))  # greedy planning sees one step
    search = build(planner, "planner", task.card.action_size)
    weights: ObjectiveConfig = read_config(ObjectiveConfig, objective, "objective")
    proposals = None if clone is None else BCProposals(config.proposals, clone)
    second = None if reranker is None else ModelRollout(reranker, build_objective(weights, reranker, task.cost))
    return MPC(config, model, search, build_objective(weights, model, task.cost), proposals, second)


def evaluated_task(task: Section, variation: str) -> Task:
    """The task as frozen episodes are played in it, whose snapshots hold what varies: the truth plans with that too."""
    return vary(build(task, "task"), variation)


def _make_bc(task_section: Section, checkpoint: Path) -> Policy:
    task: Task = build(task_section, "task")
    return BCPolicy(_load(checkpoint, task.card))  # type: ignore[arg-type]


def _make_reactive(settings: Settings, checkpoint: Path) -> Policy:
    task: Task = build(settings.task, "task")
    return ReactivePolicy(_load(checkpoint, task.card, settings.device))  # type: ignore[arg-type]


def _make_mpc(
    settings: Settings,
    planner: Section,
    objective: Section,
    checkpoint: Path | None,
    true_dynamics: bool,
    proposals: Path | None,
    reranked: bool,
    reranker: Path | None,
) -> Policy:
    task = evaluated_task(settings.task, settings.variation)
    learned = None if checkpoint is None else _load(checkpoint, task.card, settings.device)
    clone = None if proposals is None else _load(proposals, task.card, settings.device)
    model: Any = learned
    if true_dynamics:
        simulator = Simulator(SimulatorConfig(), task)
        model = simulator if learned is None else JudgedSimulator(simulator, learned)  # type: ignore[arg-type]
    second: Any = None if reranker is None else _load(reranker, task.card, settings.device)
    if reranked and reranker is None:
        second = Simulator(SimulatorConfig(), task)
    mpc = assemble(settings, task, model, planner, objective, clone, reranker=second)  # type: ignore[arg-type]
    return Audited(mpc, task)


def _load(checkpoint: Path, card: TaskCard, device: str = "cpu") -> nn.Module:
    """The model in a checkpoint; UserError where it was trained for a task that looks or moves differently."""
    model = load_model(checkpoint, device)
    spec: DataSpec = model.spec  # type: ignore[assignment]
    seen = {key: tuple(shape) for key, shape in card.observation.items()}
    if spec.observation != seen or spec.action_size != card.action_size:
        raise UserError(
            f"{checkpoint} is of another task: it knows {spec.observation} and {spec.action_size} actions, but "
            f"{card.name} has {seen} and {card.action_size}; use a checkpoint that was trained on {card.name}"
        )
    return model


def is_simulator(settings: Settings) -> bool:
    """Whether `model=simulator` was chosen: nothing to train."""
    return issubclass(target(settings.model, "model"), Simulator)


def acts_itself(settings: Settings) -> bool:
    """Whether the chosen model is a policy too."""
    return issubclass(target(settings.model, "model"), ActsItself)
