"""The trained models of a run: its world model, and policies cloned from demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from wm_lab.behaviours.behaviour import ALL, Behaviour, feature_spec, require_rewards, rewards_differ
from wm_lab.data.dataset import Dataset
from wm_lab.data.windows import newest_weights
from wm_lab.data.worker import tell
from wm_lab.experiment.arms import ACTOR, PLANNED_ACTOR
from wm_lab.experiment.chosen import value_class, values_ahead
from wm_lab.experiment.collections import Collections
from wm_lab.experiment.dry_run import build_value
from wm_lab.experiment.parent_model import Parent, parent_of
from wm_lab.experiment.restandardised import restandardised
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.tools import Tools
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.experiment.validation import ValidationTrial, paid
from wm_lab.models.parts.sentences import REVISION as SENTENCES
from wm_lab.models.parts.things import REVISION as THINGS
from wm_lab.models.parts.things import things_in
from wm_lab.policies.behaviour_cloning import PLAYING, BehaviourCloning
from wm_lab.policies.goal_cloning import GoalCloning
from wm_lab.settings import TARGET, build, config_of, read_config, target, without_later
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model, save_model
from wm_lab.training.config import TrainerConfig
from wm_lab.training.trainer import BEST, Judge, train
from wm_lab.world_model import Trainable, WorldModel

GOAL_CLONE = f"{GoalCloning.__module__}.{GoalCloning.__name__}"

WHOLE = 8
"""A goal-conditioned clone's window is a whole episode, many of whose moments count: so many times fewer in a batch."""


class Training(NamedTuple):
    """A training before it is done."""

    recipe: Section  # its name in the store
    make: Callable[[], Trainable]
    dataset: Dataset
    trainer: TrainerConfig
    weights: list[float] | None  # share of each batch from each shard
    name: str  # of what is trained, for progress and clock
    prefix: str  # of its curves
    what: str  # the run calls it: "world model", "clone"
    judge: Callable[[Path], Judge | None] = lambda folder: None  # of what is trained in this folder


class TrainingProgress(NamedTuple):
    """How far a training in another process is."""

    step: int
    steps: int
    scalars: dict[str, float]


class Models:
    """Trains each model at most once, on what is collected."""

    def __init__(self, tools: Tools, data: Collections) -> None:
        self._tools, self._data = tools, data
        self._world_models: dict[int, Path] = {}

    def world_model(self, rounds: int | None = None, other: Settings | None = None) -> Path:
        """Checkpoint of the world model after the first collection and so many on-policy rounds.

        other: settings of another model, which learns from the same data; rounds stay those of the run's own model
        """
        if other is not None:
            return self.train(self.model_training(rounds, other))
        number = self._data.config.rounds if rounds is None else rounds
        if number not in self._world_models:
            self._world_models[number] = self.train(self.model_training(number))
        return self._world_models[number]

    def value(self, rounds: int | None = None) -> Path | None:
        """Checkpoint of the value learned from what the world model learned from; None where none was asked for."""
        if not values_ahead(self._tools.settings):
            return None
        training = self.value_training(rounds)
        return self._fit(training) if value_class(self._tools.settings).reckoned else self.train(training)

    def model_training(self, rounds: int | None = None, other: Settings | None = None) -> Training:
        """How `world_model` is trained; what it goes on from is trained now."""
        config = self._data.config
        rounds = config.rounds if rounds is None else rounds
        settings = other or self._tools.settings
        trainer = read_config(TrainerConfig, settings.trainer, "trainer")
        earlier = self.world_model(rounds - 1, other) if rounds else None
        if rounds:
            trainer = trainer.for_round()
        dataset = self._data.dataset(rounds)
        newest = config.newest_fraction if rounds else None
        recipe = self.recipe(settings.label("model"), settings.model, trainer, dataset, newest)
        if earlier is not None:
            recipe["continues"] = earlier.parent.name
            if config.restandardise:
                recipe["restandardised"] = True
        parent = None if rounds or other is not None else self._parent("trainer", "world model")
        if parent is not None:
            recipe["parent"] = parent.recipe()
        name = settings.label("model") + (f", round {rounds}" if rounds else "")

        def make() -> Trainable:
            if earlier is not None and config.restandardise:
                make_for = partial(build, WorldModel, settings.model, "model")
                return restandardised(load_model(earlier, WorldModel), make_for, dataset.spec)
            if earlier is not None:
                return load_model(earlier, WorldModel, ends=dataset.spec.ends)
            if parent is not None:
                return parent.child(WorldModel, settings.model, "model", dataset.spec.observation, dataset.spec.ends)
            return build(WorldModel, settings.model, "model", dataset.spec)

        prefix = "train" if other is None else f"train_{settings.label('model')}"
        prefix = f"{prefix}_{rounds}" if rounds else prefix
        what = "world model" if other is None else "second model"
        what += f" before round {rounds + 1}" if rounds < config.rounds else ""
        return Training(recipe, make, dataset, trainer, newest_weights(dataset, newest), name, prefix, what)

    def value_training(self, rounds: int | None = None) -> Training:
        """How `value` is trained; the world model whose features it reads is trained now."""
        settings, rounds = self._tools.settings, self._data.rounds if rounds is None else rounds
        kind = value_class(settings)
        checkpoint = self.world_model(rounds) if kind.reads_model else None  # none of the simulator, which is refused
        dataset = self._data.dataset(rounds)

        def make() -> Trainable:
            model = None if checkpoint is None else load_model(checkpoint, WorldModel, self._tools.device)
            value = build_value(settings, self._tools.task, dataset.spec, model)
            value.prepare(dataset, model)
            return value

        trainer = kind.trainer(read_config(kind.Config, settings.value, "value"), int(dataset.table.length.max()) + 1)
        recipe = self.recipe(settings.label("value"), settings.value, trainer, dataset)
        if checkpoint is not None:
            recipe["features_of"] = checkpoint.parent.name
        name = settings.label("value") + (f", round {rounds}" if rounds else "")
        prefix = f"value_{rounds}" if rounds else "value"
        return Training(recipe, make, dataset, trainer, None, name, prefix, "value")

    def clone_training(self, mix: TrainingMix | None, variant: str, bc: Section) -> Training:
        """How a policy with these options, a variant of the run's clone, is cloned from the demonstrations or `mix`."""
        settings = self._tools.settings
        trainer = read_config(TrainerConfig, settings.bc_trainer, "bc_trainer")
        mix = mix or self.plain_mix()
        bc = {**bc, **PLAYING}
        trainer = replace(trainer, steps=mix.steps or trainer.steps)
        recipe = self.recipe("bc", bc, trainer, mix.dataset) | mix.recipe()
        parent = self._parent("bc_trainer", "clone")
        if parent is not None:
            recipe["parent"] = parent.recipe()

        def make() -> Trainable:
            if parent is not None:
                return parent.child(BehaviourCloning, bc, "bc", mix.spec.observation)
            return build(BehaviourCloning, bc, "bc", mix.spec)

        return Training(
            recipe=recipe,
            make=make,
            dataset=mix.dataset,
            trainer=trainer,
            weights=mix.weights,
            name=" ".join(filter(None, ("bc", variant, mix.name))),
            prefix="_".join(filter(None, ("bc", variant, mix.name))),
            what=(f"clone of {mix.name}" if mix.name else "clone") + (f", {variant}" if variant else ""),
        )

    def goal_clone(self) -> Path:
        """Checkpoint of a clone that is told where to go, learned from the world model's episodes."""
        return self.train(self.goal_clone_training())

    def goal_clone_training(self) -> Training:
        """How `goal_clone` is trained: with the options of the run's clone, in windows that hold whole episodes."""
        settings, dataset = self._tools.settings, self._data.dataset(0)
        section = {**settings.bc, TARGET: GOAL_CLONE, "language": False}
        trainer = read_config(TrainerConfig, settings.bc_trainer, "bc_trainer")
        longest = int(dataset.table.length.max()) + 1
        trainer = replace(trainer, length=longest, batch=max(1, trainer.batch // WHOLE), init_from=None)
        recipe = self.recipe("gcbc", section, trainer, dataset)

        def make() -> Trainable:
            return build(GoalCloning, section, "bc", dataset.spec)

        return Training(recipe, make, dataset, trainer, None, "gcbc", "gcbc", "goal-conditioned clone")

    def behaviour(self, rounds: int | None = None) -> Path:
        """Checkpoint of the behaviour learned inside the world model after so many rounds, all of them by default."""
        return self.train(self.behaviour_training(rounds))

    def behaviour_training(self, rounds: int | None = None) -> Training:
        """How `behaviour` is trained; the model that it learns in is trained now.

        One that collects rounds goes on from its last weights, and only the last one is chosen by validation episodes:
        what is learned of the task before comes of the data alone. While nothing that was done has been paid otherwise
        than the rest, it has learned nothing and begins anew; by the last round UserError says so.
        """
        settings, config = self._tools.settings, self._data.config
        rounds = config.rounds if rounds is None else rounds
        earlier = None
        if rounds and config.collector in (ACTOR, PLANNED_ACTOR) and rewards_differ(self._data.dataset(rounds - 1)):
            earlier = self.behaviour(rounds - 1)
        section = settings.behaviour
        trainer = read_config(TrainerConfig, settings.behaviour_trainer, "behaviour_trainer")
        trainer = trainer if earlier is None else trainer.for_round()
        checkpoint, dataset = self.world_model(rounds), self._data.dataset(rounds)
        label, last = settings.label("behaviour"), rounds == config.rounds
        if not last:  # what is not validated must not be named by how
            section = {**section, "validation_episodes": 0}
        episodes = section["validation_episodes"]
        starts = self._data.validation_manifest(episodes) if episodes else None
        recipe = self.recipe(label, section, trainer, dataset) | {"world": checkpoint.parent.name}
        if starts is not None:
            recipe["validation"] = starts.hash
        if earlier is not None:
            recipe |= {"continues": earlier.parent.name, "continued": Behaviour.CONTINUED}

        def make() -> Trainable:
            world = load_model(checkpoint, WorldModel, self._tools.device)
            if earlier is None and last:
                require_rewards(dataset)
            spec = feature_spec(world, dataset, section.get("reads", ALL))
            if earlier is not None:
                behaviour = load_model(earlier, Behaviour).go_on_with(spec)
            else:
                behaviour = build(Behaviour, section, "behaviour", spec)
            return behaviour.learn_in(world).learn_awake(partial(paid, self._tools.make_task))

        def judge(folder: Path) -> Judge | None:
            return None if starts is None else ValidationTrial(self._tools.make_task, starts, folder)

        name = label if last else f"{label}, round {rounds}"
        prefix = "behaviour" if last else f"behaviour_{rounds}"
        what = "behaviour" if last else f"behaviour before round {rounds + 1}"
        return Training(recipe, make, dataset, trainer, None, name, prefix, what, judge)

    def _parent(self, trainer: str, what: str) -> Parent | None:
        """Whom a training goes on from, where it was asked to."""
        settings = self._tools.settings
        return parent_of(getattr(settings, trainer).get("init_from"), what, settings.seed, f"{trainer}.init_from")

    def is_trained(self, training: Training) -> bool:
        """Whether the store holds what comes of it."""
        return self._tools.store.path("model", training.recipe).exists()

    def train(self, training: Training) -> Path:
        """The checkpoint that comes of it, trained now or before."""
        tools, settings = self._tools, self._tools.settings
        seed, first = settings.seed, tools.training == 0
        prefix = training.prefix if first else f"{training.prefix}_seed{seed}"
        title = f"train {training.name}" + (f", seed {seed}" if settings.seeds > 1 else "")

        def work(folder: Path) -> None:
            training.dataset.verify()
            torch.manual_seed(seed)  # of the initial weights
            model = training.make()
            with progress(title, training.trainer.steps) as bar, tools.clock(f"train {training.name}"):
                done = 0

                def log(step: int, scalars: Mapping[str, float]) -> None:
                    nonlocal done
                    bar.advance(step - done, loss=round(scalars["loss"], 3))
                    done = step
                    named = {f"{prefix}/{name}": value for name, value in scalars.items()}
                    if tools.run is not None:
                        tools.run.log(step, **named)
                    else:
                        tell(TrainingProgress(step, training.trainer.steps, named))

                train(
                    model,
                    training.dataset,
                    training.trainer,
                    folder,
                    seed,
                    device=tools.device,
                    shard_weights=training.weights,
                    log=log,
                    judge=training.judge(folder),
                )

        return tools.keep(training.what, "model", training.recipe, work) / BEST

    def _fit(self, training: Training) -> Path:
        """The checkpoint of what is reckoned from the data at once."""

        def work(folder: Path) -> None:
            training.dataset.verify()
            with self._tools.clock(f"reckon {training.name}"):
                model = training.make()
                save_model(folder / BEST, model, model.state_dict())

        return self._tools.store.get("model", training.recipe, work) / BEST

    def plain_mix(self) -> TrainingMix:
        """The demonstrations alone."""
        demonstrations = self._data.demonstrations()
        return TrainingMix(demonstrations, normaliser=self._data.normaliser(demonstrations))

    def recipe(
        self, name: str, section: Section, trainer: TrainerConfig, dataset: Dataset, newest: float | None = None
    ) -> Section:
        """What the store names a training by: its options, its data and its seed."""
        kept = {key: value for key, value in asdict(trainer).items() if key not in TrainerConfig.SILENT}
        kind = target(Trainable, section, name)
        recipe = {
            "name": f"{name}-{self._tools.task_spec.name}",
            "model": without_later(config_of(kind), section),
            "revision": kind.REVISION,
            "trainer": kept,
            "data": dataset.digest,
            "newest_fraction": newest,
            "seed": self._tools.settings.seed,
            "device": self._tools.device.type,
        }
        if section.get("language"):
            recipe["sentences"] = SENTENCES
        if section.get("thing_units") and any(
            things_in(dataset.places, key) for key in dataset.task_spec["observation"]
        ):
            recipe["things"] = THINGS
        if section.get("exchange") and dataset.alike:
            recipe["exchanged"] = True
        # Several devices draw other noise than one, which keeps the name that it had before they came.
        return recipe if trainer.devices == 1 else recipe | {"devices": trainer.devices}
