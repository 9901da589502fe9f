"""What the arms of the augmentation exercise are trained on beside real demonstrations, each shard by its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.errors import UserError
from wm_lab.experiment.bookkeeping import Clock, tally
from wm_lab.experiment.collections import REST
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.segment_maker import IMAGINED, KEPT, SegmentMaker, SynthesisConfig
from wm_lab.experiment.tools import identity
from wm_lab.policies.seeding import derive_seed
from wm_lab.synthesis.disturbed import DisturbedExpert, as_intended, with_state_noise
from wm_lab.synthesis.generators import EARLIER
from wm_lab.synthesis.shards import save
from wm_lab.tracking.progress import progress

REVISION = 4  # raise it with any change of how synthetic data come out


class NothingLeftError(UserError):
    """The filters dropped every segment."""


class Synthesis:
    """Synthetic data around the demonstrations of an experiment; each shard is made once and found in the store."""

    def __init__(self, experiment: Experiment, config: SynthesisConfig) -> None:
        self.experiment, self.config = experiment, config
        self.maker = SegmentMaker(experiment, config)

    def segments(self, demonstrations: Dataset, where: str, ratio: float) -> Path:
        """A shard of `ratio` times as many labelled actions as the demonstrations train on, from the world `where`."""
        config, settings = self.config, self.experiment.settings
        kind = EARLIER.get(config.generator.kind, config.generator.kind)
        recipe = {
            "name": f"{self.experiment.task_spec.name}-{kind}-{where}",
            "revision": REVISION,
            "world": where,
            "model": self.experiment.models.world_model().parent.name if where == IMAGINED else settings.model,
            "demonstrations": demonstrations.digest,
            "collection": self.maker.collection.digest,
            "generator": asdict(config.generator) | {"kind": kind},
            "planner": [settings.planner, settings.objective] if config.generator.kind == "planner" else None,
            "filter": asdict(config.filter),
            "audit": config.audit,
            "dose": ratio,
            "seed": settings.seed,
        }
        return self._store(recipe, lambda folder: self.maker.make(folder, recipe, demonstrations, where, ratio))

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
            rng = np.random.default_rng(derive_seed(self.experiment.settings.seed, "state noise"))
            episodes = with_state_noise(every, demonstrations.spec, strength, round(ratio), rng)
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

    def _store(self, recipe: Section, make: Callable[[Path], None]) -> Path:
        def timed(folder: Path) -> None:
            with Clock(self.experiment.tools.seconds, "synthesis"):
                make(folder)

        return self.experiment.tools.keep("synthetic data", "dataset", recipe, timed)
