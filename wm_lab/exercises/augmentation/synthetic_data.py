"""Makes and stores what the arms of the augmentation exercise are trained on beside their real demonstrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.errors import UserError
from wm_lab.evaluation.interval import undefined
from wm_lab.evaluation.means import mean
from wm_lab.experiment.bookkeeping import Clock, tally
from wm_lab.experiment.collections import REST
from wm_lab.experiment.dry_run import build_model
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.tools import identity
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.planners.planner import Planner
from wm_lab.policies.seeding import derive_seed
from wm_lab.settings import build, read_config
from wm_lab.synthesis.audit import true_error
from wm_lab.synthesis.disturbed import DisturbedExpert, as_intended, with_state_noise
from wm_lab.synthesis.filters import FilterConfig, Filters
from wm_lab.synthesis.generators import GENERATORS, GeneratorConfig, GeneratorInputs
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.labels import CorrectiveLabels, InverseDynamics, StepScale
from wm_lab.synthesis.relocate import relocated
from wm_lab.synthesis.segments import Segments, draw_starts
from wm_lab.synthesis.shards import save
from wm_lab.synthesis.world import ImaginedWorld, SimulatedWorld, World
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

IMAGINED, UNTRAINED, TRUE = "imagined", "untrained", "simulator"
"""Worlds that segments are played in."""

KEPT, DROPPED = "kept", "dropped"
"""The first is also the column of a synthetic shard that says which segments every filter lets pass."""

REVISION = 2  # raise it with any change of how synthetic data come out

IN_RECIPES = {"relocate": "elsewhere"}
"""Generators whose name in the store's keys is an earlier one, so that what they made is still found."""


@dataclass(frozen=True)
class SynthesisConfig:
    """How synthetic data are generated, filtered and audited, from the exercise's options."""

    generator: GeneratorConfig
    filter: FilterConfig
    audit: int


class NothingLeftError(UserError):
    """The filters dropped every segment."""


class Synthesis:
    """Synthetic data around the demonstrations of an experiment; each shard is made once and found in the store."""

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

    def segments(self, demonstrations: Dataset, where: str, ratio: float) -> Path:
        """A shard of `ratio` times as many labelled actions as the demonstrations train on, from the world `where`."""
        config, settings = self.config, self.experiment.settings
        kind = IN_RECIPES.get(config.generator.kind, config.generator.kind)
        recipe = {
            "name": f"{self.experiment.task_spec.name}-{kind}-{where}",
            "revision": REVISION,
            "world": where,
            "model": self.experiment.models.world_model().parent.name if where == IMAGINED else settings.model,
            "demonstrations": demonstrations.digest,
            "collection": self.collection.digest,
            "generator": asdict(config.generator) | {"kind": kind},
            "planner": [settings.planner, settings.objective] if config.generator.kind == "planner" else None,
            "filter": asdict(config.filter),
            "audit": config.audit,
            "dose": ratio,
            "seed": settings.seed,
        }
        return self._store(recipe, lambda folder: self._generate(folder, recipe, demonstrations, where, ratio))

    def filtered(self, demonstrations: Dataset, segments: Path) -> Path:
        """What is left of a shard of segments once the filters have spoken; NothingLeftError where that is nothing."""
        whole = Dataset.open(segments, split=demonstrations.split_config)
        kept = np.flatnonzero(whole.shards[0].columns[f"episode.{KEPT}"])
        told = whole.shards[0].manifest["provenance"]
        if not len(kept):
            rates = ", ".join(f"{name} {rate:.0%}" for name, rate in told["passes"].items())
            raise NothingLeftError(
                f"the filters dropped all {len(whole)} synthetic segments (passed: {rates}); raise "
                "exercise.filter.quantile, shorten exercise.generator.steps, or leave a filter out of "
                "exercise.filter.use"
            )
        recipe = {"name": f"{segments.name}-filtered", "segments": segments.name, "digest": whole.digest}
        episodes = [whole.episode(int(e)) for e in kept]
        return self._store(
            recipe, lambda folder: save(folder, self.experiment.task_spec, episodes, told["generator"], told | recipe)
        )

    def with_state_noise(self, demonstrations: Dataset, strength: float, ratio: float) -> Path:
        """The demonstrations again, `ratio` times, under Gaussian noise of so many one-step changes."""
        recipe = {
            "name": f"{self.experiment.task_spec.name}-state-noise",
            "demonstrations": demonstrations.digest,
            "strength": strength,
            "dose": ratio,
            "seed": self.experiment.settings.seed,
        }

        def make(folder: Path) -> None:
            every = [demonstrations.episode(int(e)) for e in demonstrations.episodes("train")]
            episodes = with_state_noise(every, demonstrations.spec, strength, round(ratio), self._rng("state noise"))
            save(folder, self.experiment.task_spec, episodes, "state_noise", recipe)

        return self._store(recipe, make)

    def disturbed(self, demonstrations: Dataset) -> Path:
        """As many demonstrations from the same starts, played under action noise and labelled by what was meant."""
        experiment, generator = self.experiment, self.config.generator
        recipe = {
            "name": f"{experiment.task_spec.name}-dart",
            "task": identity(experiment.settings.task),
            "physics": experiment.task_spec.physics,
            "seeds": demonstrations.table.seed.tolist(),
            "strength": generator.strength / 2,  # the middle of what the segments' noise is drawn from
            "correlation": generator.correlation,
        }
        policy = partial(DisturbedExpert, recipe["strength"], recipe["correlation"])
        config = PlayConfig(stop_after_success=REST)

        def make(folder: Path) -> None:
            with progress("collect DART", len(demonstrations)) as bar:
                played = play(
                    experiment.tools.make_task,
                    policy,
                    recipe["seeds"],
                    config,
                    workers=experiment.tools.workers,
                    advance=tally(bar),
                )
            save(folder, experiment.task_spec, [as_intended(e) for e in played], "dart", recipe)

        return self._store(recipe, make)

    def _generate(self, folder: Path, recipe: Section, demonstrations: Dataset, where: str, ratio: float) -> None:
        experiment, config = self.experiment, self.config
        world, length = self._world(where), config.generator.length
        table = demonstrations.table
        real = int(table.length[demonstrations.episodes("train")].sum())
        rng = self._rng("segments")
        starts = draw_starts(demonstrations, max(1, round(ratio * real / length)), rng)
        if config.generator.kind == "relocate":
            starts = relocated(starts, demonstrations, experiment.task, rng)
        corrective = CorrectiveLabels(demonstrations, starts, self.step_scale, self.inverse, config.generator.keep)
        with progress(f"{config.generator.kind} in {where}", len(starts)) as bar:
            filters = Filters(config.filter, self.collection, world, self.step_scale, self.inverse, length)
            world.depart(demonstrations, starts)
            inputs = GeneratorInputs(starts, corrective, rng, **self._tools(world))
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

    def _tools(self, world: World) -> dict[str, Any]:
        settings, task, kind = self.experiment.settings, self.experiment.task, self.config.generator.kind
        if kind == "hindsight":
            return {"hindsight": Hindsight(task)}
        if kind != "planner":
            return {}
        objective = read_config(ObjectiveConfig, settings.objective, "objective")
        return {
            "planner": build(Planner, settings.planner, "planner", self.experiment.task_spec.action_size).to(
                self.experiment.tools.device
            ),
            "objective": build_objective(objective, world.model, task.cost),
        }

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.experiment.settings.seed, name))

    def _store(self, recipe: Section, make: Callable[[Path], None]) -> Path:
        def timed(folder: Path) -> None:
            with Clock(self.experiment.tools.seconds, "synthesis"):
                make(folder)

        return self.experiment.tools.keep("synthetic data", "dataset", recipe, timed)
