"""Who plays: each arm of a comparison is one value, which says what it depends on and builds its policy anywhere."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.errors import UserError
from wm_lab.experiment.planning_policy import planning
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.objectives import GoalDistance
from wm_lab.planners.planner import Planner
from wm_lab.policies.audited import Audited
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.behaviour_cloning import PLAYING, BehaviourCloning, BehaviourCloningConfig
from wm_lab.policies.behaviour_policy import BehaviourPolicy
from wm_lab.policies.mpc import MPC
from wm_lab.policies.proposals import BCProposals
from wm_lab.policies.reactive import ReactivePolicy
from wm_lab.policies.retold import Retold
from wm_lab.policies.scripted import DoNothing, ExpertPolicy, RandomPolicy, RandomPolicyConfig, StraightLinePolicy
from wm_lab.policy import Policy
from wm_lab.settings import build, target
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task, TaskSpec
from wm_lab.tasks.true_dynamics import JudgedSimulator
from wm_lab.tasks.varied import vary
from wm_lab.training.checkpoint import load_model
from wm_lab.values.value import Value
from wm_lab.world_model import ActsItself, WorldModel

Learned = TypeVar("Learned", bound=WorldModel | BehaviourCloning | Value | Behaviour)

ACTOR, PLANNED_ACTOR = "actor", "mpc_actor"
"""What was learned in dreams: reacting, and as the adviser and the critic of a planner."""

CRITIC = {"final_weight": 0.0}
"""Of an objective that ends in a critic's value, which says itself what the last step is worth."""

ORACLE, VALUED = "simulator", "value"
"""Names of two arms: true dynamics and true cost; plans that a value judges too, beyond their horizon."""

IN_VALIDATION = " in validation"
"""What the name of an arm ends in that plays validation episodes, for a choice among policies."""

SIMULATOR: Final = "simulator"

Dynamics = Path | Literal["simulator"]
"""What imagines: the learned model of a checkpoint, or the true simulator."""

GROUP = 16
"""Episodes played side by side."""

WEIGHTS = ("checkpoint", "world", "proposals", "reranker", "value", "behaviour")
"""Entries of recipes that name trained networks."""

SMALL_GROUP = 5
"""Of an arm that plays ten: two groups, one a core of a small machine."""


@dataclass(frozen=True)
class Arm(ABC):
    """One way to act. It travels to worker processes, which build its policy there."""

    name: str
    group: int = field(default=GROUP, kw_only=True)
    slow: bool = field(default=False, kw_only=True)  # plans in the true simulator: plays fewer episodes

    @abstractmethod
    def recipe(self) -> Section:
        """Everything that its behaviour depends on, in JSON's terms."""

    @abstractmethod
    def build(self) -> Policy: ...

    @property
    def effort(self) -> str:
        """What a decision takes its time for: the name, and all of the recipe but how networks were trained."""
        recipe = {key: value is not None if key in WEIGHTS else value for key, value in self.recipe().items()}
        return json.dumps([self.name, recipe], sort_keys=True)

    def slowly(self) -> Self:
        """The same as one that plans in the true simulator: few episodes, in groups so small that each core has one."""
        return replace(self, slow=True, group=SMALL_GROUP)


@dataclass(frozen=True)
class ScriptedArm(Arm):
    """A policy that learns nothing."""

    called: str  # in its recipe
    policy: Callable[[], Policy]

    def recipe(self) -> Section:
        return {"policy": self.called}

    def build(self) -> Policy:
        return self.policy()


@dataclass(frozen=True)
class CloneArm(Arm):
    """A cloned policy."""

    settings: Settings
    checkpoint: Path

    def recipe(self) -> Section:
        played = {option: getattr(self.execution, option) for option in PLAYING}
        return {"policy": "bc", "checkpoint": self.checkpoint.parent.name} | ({} if played == PLAYING else played)

    def build(self) -> Policy:
        task = build(Task, self.settings.task, "task")
        return BCPolicy(_load(BehaviourCloning, self.checkpoint, task.task_spec), self.execution)

    @property
    def execution(self) -> BehaviourCloningConfig:
        """How its chunks are played, whatever the net was trained with."""
        return BehaviourCloningConfig.played(self.settings.bc)


@dataclass(frozen=True)
class RetoldArm(Arm):
    """A policy whose episodes are told otherwise than the task tells them (`Tellable.retell`)."""

    arm: Arm
    how: str

    def recipe(self) -> Section:
        return {**self.arm.recipe(), "retold": self.how}

    def build(self) -> Policy:
        return Retold(self.arm.build(), self.how)


@dataclass(frozen=True)
class ReactiveArm(Arm):
    """The world model's own policy."""

    settings: Settings
    checkpoint: Path

    def recipe(self) -> Section:
        return {"policy": "reactive", "checkpoint": self.checkpoint.parent.name, "device": self.settings.device}

    def build(self) -> Policy:
        task = build(Task, self.settings.task, "task")
        return ReactivePolicy(_load(ActsItself, self.checkpoint, task.task_spec, self.settings.device))


@dataclass(frozen=True)
class BehaviourArm(Arm):
    """What was learned inside a world model, reacting."""

    settings: Settings
    checkpoint: Path  # of the behaviour
    world: Path  # of the model that it learned in

    def recipe(self) -> Section:
        return {
            "policy": "behaviour",
            "checkpoint": self.checkpoint.parent.name,
            "world": self.world.parent.name,
            "device": self.settings.device,
        }

    def build(self) -> Policy:
        task_spec, device = build(Task, self.settings.task, "task").task_spec, self.settings.device
        world = _load(WorldModel, self.world, task_spec, device)
        return BehaviourPolicy(_load(Behaviour, self.checkpoint, task_spec, device).learn_in(world))


@dataclass(frozen=True)
class PlanningArm(Arm):
    """Planning: with the planner, objective and rhythm (`mpc`) of the settings, in the task as it is evaluated.

    dynamics: what plans are imagined in
    judge: checkpoint of the model that judges the true dynamics; None: whoever imagines judges, which for the true
        dynamics is the task's own cost
    proposals: checkpoint of a cloned policy that advises the search
    value: checkpoint of what judges plans beyond their horizon; None: nothing does
    reranker: what chooses among the elites of a search; None: the search itself
    behaviour: checkpoint of what was learned inside this model: its actions advise the search, and what it expects
        beyond the horizon ends it
    """

    settings: Settings
    dynamics: Dynamics
    judge: Path | None = None
    proposals: Path | None = None
    reranker: Dynamics | None = None
    value: Path | None = None
    behaviour: Path | None = None

    def __post_init__(self) -> None:
        if self.judge is not None and self.dynamics != SIMULATOR:
            raise ValueError("a learned model judges what it imagines itself; another judge is for the true dynamics")

    def recipe(self) -> Section:
        settings, learned = self.settings, self.judge if self.dynamics == SIMULATOR else self.dynamics
        aims = settings.objective.get("goal_distance", 0) > 0
        recipe: Section = {
            "policy": "mpc",
            "checkpoint": None if learned is None else _stored(learned),
            "true_dynamics": self.dynamics == SIMULATOR,
            "planner": settings.planner,
            "objective": {name: value for name, value in settings.objective.items() if aims or name != "goal_steps"},
            "mpc": settings.mpc,
            "proposals": None if self.proposals is None else _stored(self.proposals),
            "device": settings.device,
        }
        if revision := getattr(target(Planner, settings.planner, "planner"), "REVISION", 0):
            recipe["planner_revision"] = revision
        if aims:
            recipe["goal_revision"] = GoalDistance.REVISION
        if self.proposals is not None:
            recipe["proposals_revision"] = BCProposals.REVISION
        if self.reranker is not None:  # without, the name stays what it was before there were two models
            recipe["reranker"] = _stored(self.reranker)
        if self.value is not None:  # likewise
            recipe["value"] = _stored(self.value)
        if self.behaviour is not None:
            recipe["behaviour"] = _stored(self.behaviour)
        return recipe

    def build(self) -> Audited:
        task = self._task()
        return Audited(self._mpc(task), task)

    def build_bare(self) -> MPC:
        """The same policy, whose plans nobody plays out."""
        return self._mpc(self._task())

    def _task(self) -> Task:
        return evaluated_task(self.settings.task, self.settings.variation)

    def _mpc(self, task: Task) -> MPC:
        device = self.settings.device
        clone = None if self.proposals is None else _load(BehaviourCloning, self.proposals, task.task_spec, device)
        second = None if self.reranker is None else self._world(self.reranker, task)
        value = None if self.value is None else _load(Value, self.value, task.task_spec, device)
        if self.judge is None:
            world = self._world(self.dynamics, task)
            behaviour = None
            if self.behaviour is not None:
                behaviour = _load(Behaviour, self.behaviour, task.task_spec, device).learn_in(world)
            return planning(self.settings, task, world, clone, second, value, behaviour)
        judged = JudgedSimulator(_simulator(task), _load(WorldModel, self.judge, task.task_spec, device))
        return planning(self.settings, task, judged, clone, second, value)

    def _world(self, dynamics: Dynamics, task: Task) -> WorldModel:
        if isinstance(dynamics, Path):
            return _load(WorldModel, dynamics, task.task_spec, self.settings.device)
        return _simulator(task)


def behaviour_arm(name: str, settings: Settings, model: Path, behaviour: Path) -> Arm:
    """`ACTOR` or `PLANNED_ACTOR`. model, behaviour: their checkpoints"""
    if name == ACTOR:
        return BehaviourArm(name, settings, behaviour, model)
    return PlanningArm(name, settings.with_objective(CRITIC), model, behaviour=behaviour)


def _simulator(task: Task) -> Simulator:
    return Simulator(SimulatorConfig(), task)


def scripted_arms() -> list[Arm]:
    """What every table shows: the ceiling, and the two floors."""
    return [
        ScriptedArm("expert", "expert", ExpertPolicy),
        ScriptedArm("random", "random", _random),
        ScriptedArm("noop", "do-nothing", DoNothing),
    ]


def straight_arm() -> Arm:
    """A floor where a task says what going straight at its goal is."""
    return ScriptedArm("straight", "straight", StraightLinePolicy)


def evaluated_task(task: Section, variation: str) -> Task:
    """The task as frozen episodes are played in it, whose snapshots hold what varies: the truth plans with that too."""
    return vary(build(Task, task, "task"), variation)


def _random() -> Policy:
    return RandomPolicy(RandomPolicyConfig())


def _stored(dynamics: Dynamics) -> str:
    """How the store calls what imagines."""
    return dynamics.parent.name if isinstance(dynamics, Path) else dynamics


def _load(kind: type[Learned], checkpoint: Path, task_spec: TaskSpec, device: str = "cpu") -> Learned:
    """The model in a checkpoint; UserError where it was trained for a task that looks or moves differently."""
    model = load_model(checkpoint, kind, device)
    spec = model.spec
    seen = {key: tuple(shape) for key, shape in task_spec.observation.items()}
    if spec.observation != seen or spec.action_size != task_spec.action_size:
        raise UserError(
            f"{checkpoint} is of another task: it knows {spec.observation} and {spec.action_size} actions, but "
            f"{task_spec.name} has {seen} and {task_spec.action_size}; use a checkpoint that was trained on "
            f"{task_spec.name}"
        )
    return model
