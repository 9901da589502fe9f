"""Who plays: each arm of a comparison as a recipe (what it depends on) and a factory (that worker processes call)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wm_lab.exercises.scoring import Audited
from wm_lab.exercises.settings import Section, Settings
from wm_lab.exercises.true_dynamics import JudgedSimulator
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.mpc import MPC, MPCConfig
from wm_lab.policies.proposals import BCProposals
from wm_lab.policies.scripted import DoNothing, ExpertPolicy, RandomPolicy, RandomPolicyConfig
from wm_lab.policy import Policy
from wm_lab.settings import build, read_config, target
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

LEARNED_REWARD = {"reward": 1.0, "task_cost": 0.0, "goal_distance": 0.0}
TRUE_COST = {"reward": 0.0, "task_cost": 1.0, "goal_distance": 0.0}
"""The two ways of judging an imagined future that attribution compares; other weights stay the user's."""


@dataclass(frozen=True)
class Arm:
    name: str
    recipe: Section  # everything its behaviour depends on, in JSON's terms
    make: Callable[[], Policy]  # picklable
    group: int = 16  # episodes played side by side
    slow: bool = False  # plans in the true simulator: plays fewer episodes


def scripted_arms() -> list[Arm]:
    """What every table shows: the ceiling, and the two floors."""
    return [
        Arm("expert", {"policy": "expert"}, ExpertPolicy),
        Arm("random", {"policy": "random"}, partial(RandomPolicy, RandomPolicyConfig())),
        Arm("noop", {"policy": "do-nothing"}, DoNothing),
    ]


def bc_arm(checkpoint: Path) -> Arm:
    return Arm("bc", {"policy": "bc", "checkpoint": checkpoint.parent.name}, partial(_make_bc, checkpoint))


def mpc_arm(
    settings: Settings,
    name: str,
    checkpoint: Path | None,
    *,
    true_dynamics: bool = False,
    judged_by: dict[str, float] | None = None,
    planner: Section | None = None,
    proposals: Path | None = None,
) -> Arm:
    """Planning in the learned model, or in the true simulator (`true_dynamics`).

    checkpoint: of the learned model; with true dynamics, of the model that judges them (None: the task's own cost)
    judged_by: objective weights that replace the configured ones
    planner: options that replace the configured ones
    proposals: checkpoint of a cloned policy that advises the search
    """
    objective = {**settings.objective, **(judged_by or {})}
    chosen = {**settings.planner, **(planner or {})}
    execute = min(settings.mpc["execute"], chosen["horizon"])
    mpc = {**settings.mpc, "execute": execute}
    recipe = {
        "policy": "mpc",
        "checkpoint": None if checkpoint is None else checkpoint.parent.name,
        "true_dynamics": true_dynamics,
        "planner": chosen,
        "objective": objective,
        "mpc": mpc,
        "proposals": None if proposals is None else proposals.parent.name,
        "device": settings.device,
    }
    make = partial(
        _make_mpc, settings.task, chosen, objective, mpc, settings.device, checkpoint, true_dynamics, proposals
    )
    return Arm(name, recipe, make)


def _make_bc(checkpoint: Path) -> Policy:
    return BCPolicy(load_model(checkpoint))  # type: ignore[arg-type]


def _make_mpc(
    task_section: Section,
    planner_section: Section,
    objective_section: Section,
    mpc_section: Section,
    device: str,
    checkpoint: Path | None,
    true_dynamics: bool,
    proposals: Path | None,
) -> Policy:
    task: Task = build(task_section, "task")
    model: WorldModel = _dynamics(task, checkpoint, true_dynamics, device)
    config: MPCConfig = read_config(MPCConfig, mpc_section, "mpc")
    planner = build(planner_section, "planner", task.card.action_size)
    objective = build_objective(read_config(ObjectiveConfig, objective_section, "objective"), model, task.cost)
    advice = None
    if proposals is not None:
        advice = BCProposals(config.proposals, load_model(proposals, device))  # type: ignore[arg-type]
    return Audited(MPC(config, model, planner, objective, advice), task)


def _dynamics(task: Task, checkpoint: Path | None, true_dynamics: bool, device: str) -> Any:
    learned = None if checkpoint is None else load_model(checkpoint, device)
    if not true_dynamics:
        return learned
    simulator = Simulator(SimulatorConfig(), task)
    return simulator if learned is None else JudgedSimulator(simulator, learned)  # type: ignore[arg-type]


def is_simulator(settings: Settings) -> bool:
    """Whether `model=simulator` was chosen: nothing to train."""
    return issubclass(target(settings.model, "model"), Simulator)
