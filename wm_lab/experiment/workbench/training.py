"""The trained models of a run: its world model, and clones of demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import newest_weights
from wm_lab.data.worker import tell
from wm_lab.experiment.diet import Diet
from wm_lab.experiment.settings import Section, Settings
from wm_lab.experiment.workbench.data import Data
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.settings import build, read_config, target
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.training.config import TrainerConfig
from wm_lab.training.trainer import BEST, train
from wm_lab.world_model import WorldModel


class Lesson(NamedTuple):
    """A training before it is done."""

    recipe: Section  # its name in the store
    make: Callable[[], nn.Module]
    dataset: Dataset
    trainer: TrainerConfig
    weights: list[float] | None  # share of each batch from each shard
    name: str  # of what is trained, for progress and clock
    prefix: str  # of its curves


class Advance(NamedTuple):
    """How far a training in another process is."""

    step: int
    steps: int
    scalars: dict[str, float]


class Training(Data):
    """Trains each model at most once."""

    def world_model(self, rounds: int | None = None, other: Settings | None = None) -> Path:
        """Checkpoint of the world model after the first collection and so many on-policy rounds.

        other: settings of another model, which learns from the same data; rounds stay those of the run's own model
        """
        return self.learn(self.model_lesson(rounds, other))

    def clone(self, diet: Diet | None = None) -> Path:
        """Checkpoint of the policy cloned from the demonstrations, or from what `diet` holds."""
        return self.learn(self.clone_lesson(diet))

    def model_lesson(self, rounds: int | None = None, other: Settings | None = None) -> Lesson:
        """How `world_model` is trained; what it goes on from is trained now."""
        rounds = self.data.rounds if rounds is None else rounds
        settings = other or self.settings
        trainer = read_config(TrainerConfig, settings.trainer, "trainer")
        earlier = self.world_model(rounds - 1, other) if rounds else None
        if rounds:
            trainer = trainer.for_round()
        dataset = self.dataset(rounds)
        recipe = self._training_recipe(settings.label("model"), settings.model, trainer, dataset, rounds)
        if earlier is not None:
            recipe["continues"] = earlier.parent.name
        weights = newest_weights(dataset, self.data.newest_fraction if rounds else None)
        name = settings.label("model") + (f", round {rounds}" if rounds else "")

        def make() -> nn.Module:
            if earlier is not None:
                return load_model(earlier, WorldModel)
            return build(WorldModel, settings.model, "model", dataset.spec)

        prefix = "train" if other is None else f"train_{settings.label('model')}"
        return Lesson(recipe, make, dataset, trainer, weights, name, f"{prefix}_{rounds}" if rounds else prefix)

    def clone_lesson(self, diet: Diet | None = None) -> Lesson:
        """How `clone` is trained."""
        settings = self.settings
        trainer = read_config(TrainerConfig, settings.bc_trainer, "bc_trainer")
        diet = diet or self._diet()
        trainer = replace(trainer, steps=diet.steps or trainer.steps)
        recipe = self._training_recipe("bc", settings.bc, trainer, diet.dataset, 0) | diet.recipe()
        return Lesson(
            recipe,
            lambda: build(BehaviourCloning, settings.bc, "bc", diet.spec),
            diet.dataset,
            trainer,
            diet.weights,
            f"bc {diet.name}".strip(),
            f"bc_{diet.name}" if diet.name else "bc",
        )

    def _diet(self) -> Diet:
        demonstrations = self.demonstrations()
        return Diet(demonstrations, eyes=self.eyes(demonstrations))

    def learnt(self, lesson: Lesson) -> bool:
        """Whether the store holds what comes of it."""
        return self.store.path("model", lesson.recipe).exists()

    def _training_recipe(
        self, name: str, section: Section, trainer: TrainerConfig, dataset: Dataset, rounds: int
    ) -> Section:
        kept = {key: value for key, value in asdict(trainer).items() if key not in TrainerConfig.SILENT}
        recipe = {
            "name": f"{name}-{self.card.name}",
            "model": section,
            "revision": getattr(target(nn.Module, section, name), "REVISION", 0),
            "trainer": kept,
            "data": dataset.digest,
            "newest_fraction": self.data.newest_fraction if rounds else None,
            "seed": self.settings.seed,
            "device": self.device.type,
        }
        # Several devices draw other noise than one, which keeps the name that it had before they came.
        return recipe if trainer.devices == 1 else recipe | {"devices": trainer.devices}

    def learn(self, lesson: Lesson) -> Path:
        """The checkpoint that comes of it, trained now or before."""
        seed, first = self.settings.seed, self.training == 0
        prefix = lesson.prefix if first else f"{lesson.prefix}_seed{seed}"
        title = f"train {lesson.name}" + (f", seed {seed}" if self.settings.seeds > 1 else "")

        def work(folder: Path) -> None:
            lesson.dataset.verify()
            torch.manual_seed(seed)  # of the initial weights
            model = lesson.make()
            with progress(title, lesson.trainer.steps) as bar, self._clock(f"train {lesson.name}"):
                done = 0

                def log(step: int, scalars: Mapping[str, float]) -> None:
                    nonlocal done
                    bar.advance(step - done, loss=round(scalars["loss"], 3))
                    done = step
                    named = {f"{prefix}/{name}": value for name, value in scalars.items()}
                    if self.run is not None:
                        self.run.log(step, **named)
                    else:
                        tell(Advance(step, lesson.trainer.steps, named))

                train(
                    model,
                    lesson.dataset,
                    lesson.trainer,
                    folder,
                    seed,
                    device=self.device,
                    shard_weights=lesson.weights,
                    log=log,
                )

        return self.store.get("model", lesson.recipe, work) / BEST
