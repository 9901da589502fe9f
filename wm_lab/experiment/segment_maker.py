"""Makes one shard of synthetic segments: starts on demonstrations, a generator, a world to play in, filters, audit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.evaluation.interval import undefined
from wm_lab.evaluation.means import mean
from wm_lab.experiment.dry_run import build_model
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Section
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.planners.planner import Planner
from wm_lab.policies.seeding import derive_seed
from wm_lab.settings import build, read_config
from wm_lab.synthesis.audit import true_error
from wm_lab.synthesis.filters import FilterConfig, Filters
from wm_lab.synthesis.generators import AUTO, GENERATORS, GeneratorConfig, GeneratorInputs
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.labels import CorrectiveLabels, InverseDynamics, StepScale
from wm_lab.synthesis.relocate import is_relocatable, relocated
from wm_lab.synthesis.segments import Segments, Starts, draw_starts
from wm_lab.synthesis.shards import save
from wm_lab.synthesis.world import ImaginedWorld, SimulatedWorld, World, goals_at
from wm_lab.tasks.task import Task
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

IMAGINED, UNTRAINED, TRUE = "imagined", "untrained", "simulator"
"""Worlds that segments are played in."""

KEPT, DROPPED = "kept", "dropped"
"""The first is also the column of a synthetic shard that says which segments every filter lets pass."""


@dataclass(frozen=True)
class SynthesisConfig:
    """How synthetic data are generated, filtered and audited, from the exercise's options."""

    generator: GeneratorConfig
    filter: FilterConfig
    audit: int


def settled(generator: GeneratorConfig, task: Task) -> GeneratorConfig:
    """As configured, and `auto` settled."""
    if generator.kind != AUTO:
        return generator
    return replace(generator, kind="relocate" if is_relocatable(task) else "noisy")


class SegmentMaker:
    """Makes segments as a config says, with the models, data and task of an experiment."""

    def __init__(self, experiment: Experiment, config: SynthesisConfig) -> None:
        self.experiment, self.config = experiment, config

    @cached_property
    def collection(self) -> Dataset:
        """What the world model learnt from: also the judge of what is real."""
        return self.experiment.data.dataset()

    @cached_property
    def step_scale(self) -> StepScale:
        return StepScale(self.collection.spec)

    @cached_property
    def inverse(self) -> InverseDynamics:
        return InverseDynamics.fit(self.collection, self.step_scale)

    def make(self, folder: Path, recipe: Section, demonstrations: Dataset, where: str, ratio: float) -> None:
        experiment, config = self.experiment, self.config
        world, length = self._world(where), config.generator.length
        table = demonstrations.table
        real = int(table.length[demonstrations.episodes("train")].sum())
        rng = np.random.default_rng(derive_seed(experiment.settings.seed, "segments"))
        starts = draw_starts(demonstrations, max(1, round(ratio * real / length)), rng)
        if config.generator.kind == "relocate":
            starts = relocated(starts, demonstrations, experiment.task, rng)
        corrective = CorrectiveLabels(demonstrations, starts, self.step_scale, self.inverse, config.generator.keep)
        with progress(f"{config.generator.kind} in {where}", len(starts)) as bar:
            filters = Filters(config.filter, self.collection, world, self.step_scale, self.inverse, length)
            world.depart(demonstrations, starts)
            inputs = GeneratorInputs(starts, corrective, rng, **self._tools(world, demonstrations, starts))
            segments = GENERATORS[config.generator.kind](world, inputs, config.generator)
            bar.advance(len(starts))
        passes = filters(segments)
        kept = np.logical_and.reduce([np.ones(len(segments), bool), *passes.values()])
        told = recipe | {
            "policy": {"name": f"synthetic: {config.generator.kind} in {where}"},
            "provenance": "synthetic",
            "generator": config.generator.kind,
            "labelled": segments.labelled,
            "kept": float(kept.mean()),
            "passes": {name: float(passed.mean()) for name, passed in passes.items()},
            "true_error": self._errors(segments, demonstrations, kept),
        }
        shape = experiment.task.state().shape[0]
        save(
            folder,
            experiment.task_spec,
            segments.episodes(demonstrations, shape),
            recipe["generator"]["kind"],
            told,
            {KEPT: kept},
        )

    def _errors(self, segments: Segments, demonstrations: Dataset, kept: np.ndarray) -> dict[str, Any]:
        """Mean true error of the first segments, which are drawn like all others: kept and dropped ones."""
        if not self.config.audit:
            return {KEPT: undefined().to_dict(), DROPPED: undefined().to_dict()}
        task, some = self.experiment.task, kept[: self.config.audit]
        goal = Hindsight(task).goal.slice if self.config.generator.kind == "hindsight" else None
        error = true_error(segments[: len(some)], demonstrations, task, self.step_scale, goal)
        return {KEPT: mean(error[some]).to_dict(), DROPPED: mean(error[~some]).to_dict()}

    def _world(self, where: str) -> World:
        experiment = self.experiment
        if where == TRUE:
            return SimulatedWorld(experiment.task)
        if where == IMAGINED:
            return ImaginedWorld(load_model(experiment.models.world_model(), WorldModel, experiment.tools.device))
        with torch.random.fork_rng():
            torch.manual_seed(experiment.settings.seed)
            # Without the data's statistics, which alone are a linear model of the world.
            return ImaginedWorld(build_model(experiment.settings, experiment.task).to(experiment.tools.device))

    def _tools(self, world: World, demonstrations: Dataset, starts: Starts) -> dict[str, Any]:
        """What the generator needs beside the world and its starts."""
        settings, task, kind = self.experiment.settings, self.experiment.task, self.config.generator.kind
        device = self.experiment.tools.device
        if kind == "hindsight":
            return {"hindsight": Hindsight(task)}
        if kind != "planner":
            return {}
        config = read_config(ObjectiveConfig, settings.objective, "objective")
        objective = build_objective(config, world.model, task.cost)
        goals = None
        if objective.goal is not None:
            shown = goals_at(task, demonstrations, starts)
            goals = {key: torch.from_numpy(shown[key]).to(device) for key in world.model.goal_keys}
        planner = build(Planner, settings.planner, "planner", self.experiment.task_spec.action_size).to(device)
        return {"planner": planner, "objective": objective, "goals": goals}
