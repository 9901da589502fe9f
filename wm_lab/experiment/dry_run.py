"""One decision with everything untrained: what cannot work together is refused here, before hours are spent.

A planner that has no room for proposals, a cost of states that the model does not decode, a disagreement without an
ensemble: such things show only when a plan is made. Making one from noise costs less than foreseeing them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from wm_lab.behaviours.behaviour import ALL, Behaviour, feature_size, with_features
from wm_lab.data.dataset import places
from wm_lab.data.rollout import PlayConfig, Player
from wm_lab.errors import UserError
from wm_lab.experiment.chosen import is_simulator, value_class
from wm_lab.experiment.planning_policy import planning
from wm_lab.experiment.run_settings import Settings
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, Score
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.settings import TARGET, build, read_config
from wm_lab.store import Store
from wm_lab.system.code import code_hash
from wm_lab.system.device import device_of
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task
from wm_lab.tasks.true_dynamics import JudgedSimulator
from wm_lab.training.config import TrainerConfig
from wm_lab.values.value import Value
from wm_lab.world_model import DataSpec, WorldModel, blank_windows

IMAGINED = 2
"""Candidates of a search that a dry run imagines."""

TRIED = "tried"
"""The kind of artifact that remembers settings whose dry run was passed."""

IDLE = ("store", "workers", "media", "renderer", "labels")
"""Settings that change nothing of it."""


class DryRun:
    """What these settings describe before anything was learnt: built once, and tried by every arm.

    Where the store says that a run with the very same settings passed all of this before, nothing is tried again.

    asked: all that the run was asked for, where `settings` leave some of it out
    """

    def __init__(self, settings: Settings, task: Task, store: Store, asked: Settings | None = None) -> None:
        self.settings, self.task, self.store = settings, task, store
        self._asked = settings if asked is None else asked

    @cached_property
    def _recipe(self) -> dict[str, Any] | None:
        """What a run that passes is remembered by; None where code or data of others take part, which change unseen."""
        asked = {name: value for name, value in asdict(self._asked).items() if name not in IDLE}
        recorded = self.settings.data.get("path") or self.settings.data.get("demonstrated")
        if recorded or "id" in self.settings.task or not all(name.startswith("wm_lab.") for name in _targets(asked)):
            return None
        spec, versions = self.task.task_spec, [torch.__version__, self.task.task_spec.physics]
        return {"name": spec.name, "settings": asked, "code": code_hash(), "versions": versions}

    @cached_property
    def passed(self) -> bool:
        return self._recipe is not None and self.store.path(TRIED, self._recipe).exists()

    def remember(self) -> None:
        """Everything that was asked has been answered without complaint."""
        if self._recipe is not None:
            self.store.get(TRIED, self._recipe, lambda folder: None)

    @cached_property
    def model(self) -> WorldModel:
        with torch.random.fork_rng():
            return build_model(self.settings, self.task).to(self.settings.device)

    @cached_property
    def clone(self) -> BehaviourCloning:
        with torch.random.fork_rng():
            spec = blank_spec(self.task)
            return build(BehaviourCloning, self.settings.bc, "bc", spec).to(self.settings.device)

    @cached_property
    def behaviour(self) -> Behaviour:
        """It leaves the model frozen."""
        with torch.random.fork_rng():
            size = feature_size(self.model, self.settings.behaviour.get("reads", ALL))
            spec = with_features(self.model.spec, torch.randn(4, size))
            behaviour = build(Behaviour, self.settings.behaviour, "behaviour", spec)
            behaviour = behaviour.to(self.settings.device).learn_in(self.model)
            return behaviour.learn_awake(lambda _, seeds: [0.0] * len(seeds))

    def train(self) -> None:
        """Raise UserError where the model cannot learn from its windows, as when its context is longer."""
        if self.passed:
            return
        steps = read_config(TrainerConfig, self.settings.trainer, "trainer").length
        with torch.random.fork_rng(), torch.no_grad():
            self.model.train().loss(blank_windows(self.model.spec, steps).to(self.settings.device))

    def learn(self) -> None:
        """Raise UserError where the behaviour cannot learn inside the model."""
        if self.passed:
            return
        settings = self.settings
        with torch.random.fork_rng():
            try:
                loss, _ = self.behaviour.train().loss(blank_windows(self.behaviour.spec, 2).to(settings.device))
                if loss.requires_grad:
                    loss.backward()
            except RuntimeError as error:
                raise UserError(
                    f"behaviour={settings.label('behaviour')} cannot learn inside of model={settings.label('model')} "
                    f"({str(error).splitlines()[0]}); choose another model, or behaviour.gradient=reinforce"
                ) from error

    def plan(
        self,
        changed: Settings | None = None,
        *,
        advised: bool = False,
        valued: bool = False,
        true_dynamics: bool = False,
        reranker: DryRun | None = None,
        behaved: bool = False,
    ) -> None:
        """Raise UserError where an arm could not make its first decision.

        changed: settings with another planner or objective; None: the run's own
        advised: with proposals of a cloned policy
        valued: with the value of these settings
        true_dynamics: of the simulator, judged by the model
        behaved: with the proposals and the value of a behaviour
        reranker: has the second model, which chooses among the elites
        """
        if self.passed:
            return
        settings = self.settings if changed is None else changed
        if "iterations" in settings.planner:
            settings = settings.with_planner({"iterations": 1})  # the others would only repeat it
        model = self.model
        with torch.random.fork_rng():
            if true_dynamics:
                model = JudgedSimulator(Simulator(SimulatorConfig(), self.task), model)
            clone = self.clone if advised else None
            second = None if reranker is None else reranker.model
            value = build_value(settings, self.task, blank_spec(self.task), model) if valued else None
            value = value and value.to(settings.device)
            policy = planning(settings, self.task, model, clone, second, value, self.behaviour if behaved else None)
            policy.planner = FewImagined(policy.planner)
            Player(lambda: self.task, policy, PlayConfig(steps=1, group=1))([0])


def _targets(section: Mapping[str, Any]) -> Iterator[str]:
    """Names of all classes that a section, or one inside it, is for."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _targets(value)
        elif name == TARGET:
            yield value


class FewImagined(Planner):
    """A planner that has few of its candidates imagined, and believes the others to come out like them."""

    def __init__(self, planner: Planner) -> None:
        super().__init__(planner.config, planner.action_size)
        self.planner = planner

    def blank(self, rows: int) -> Plan:
        return self.planner.blank(rows)

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        return self.planner.plan(_of_few(score), generators, warm_start, proposals)

    def rerank(self, plan: Plan, score: Score) -> Plan:
        return self.planner.rerank(plan, _of_few(score))


def _of_few(score: Score) -> Score:
    def few(actions: Tensor) -> Tensor:
        scores = score(actions[:, :IMAGINED])
        return scores[:, torch.arange(actions.shape[1], device=scores.device) % scores.shape[1]]

    return few


def build_model(settings: Settings, task: Task) -> WorldModel:
    """The chosen world model before it has learnt anything; UserError where it cannot be built for the task."""
    return build(WorldModel, settings.model, "model", task if is_simulator(settings) else blank_spec(task))


def build_value(settings: Settings, task: Task, spec: DataSpec, model: WorldModel | None) -> Value:
    """The chosen value before it has learnt anything; UserError where the task cannot have it."""
    kind = value_class(settings)
    features = 0
    if kind.reads_model:
        assert model is not None
        device = device_of(model)
        with torch.no_grad():
            seen = model.eval().observe(blank_windows(model.spec, 1).to(device))[1].features
            features = kind.read(model, seen).shape[-1]
    try:
        facts = kind.facts(task, features)
    except LookupError as missing:
        name = settings.label("value")
        raise UserError(f"value={name} needs a goal, and {missing.args[0]}; choose value=return or none") from missing
    return build(Value, settings.value | facts, "value", spec)


def blank_spec(task: Task) -> DataSpec:
    """What a dataset of this task will say of itself, with statistics that change nothing (mean 0, deviation 1)."""
    shapes = dict(task.task_spec.observation)
    sizes = {key: shape[0] for key, shape in shapes.items() if len(shape) == 1}
    sizes |= {"state": len(task.state()), "reward": 1}
    zeros = {key: [0.0] * size for key, size in sizes.items()}
    ones = {key: [1.0] * size for key, size in sizes.items()}
    changes = {key: values for key, values in ones.items() if key != "reward"}
    told, size = [task.instruction], task.task_spec.action_size
    found = places(task.task_spec.variables, shapes)
    return DataSpec(shapes, size, zeros, ones, changes, instructions=told, **found._asdict())
