"""Trains side by side what does not wait for one another, one a process: one thread is all that a small model can use.

Nothing here decides what is trained. An exercise asks its experiment for models and clones and finds them in the store;
what is not trained here beforehand is trained when it is asked for, one after another, to the same weights.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from wm_lab.data.dataset import Dataset
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Training, TrainingProgress
from wm_lab.experiment.run_settings import Settings
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.settings import read_config
from wm_lab.tracking.progress import progress
from wm_lab.training.config import TrainerConfig

PERCENT = 100


def train_models(experiment: Experiment, *, clone: bool = False, second: Settings | None = None) -> None:
    """The world model of every training seed after every round, clones of the demonstrations and the second model."""
    asked = [None] if second is None else [None, second]
    models = [other for other in asked if not is_simulator(other or experiment.settings)]
    data = experiment.data.config
    if not _alongside(experiment):
        return
    for rounds in range(data.rounds + 1):
        for each in experiment.trainings if models else ():
            each.data.dataset(rounds)  # by all processes; from round 1 on with the model of the round before
        jobs: list[Job] = [
            ModelJob(each.tools.training, rounds, other) for other in models for each in experiment.trainings
        ]
        if (clone or data.advised) and rounds == 0:
            experiment.data.demonstrations()
            jobs += _awaited_clones(experiment)
        _side_by_side(experiment, jobs)
        if (clone or data.advised) and rounds == 0:
            choose_clones(experiment)


def choose_clones(experiment: Experiment) -> None:
    """The variants of a clone that every training seed tries until it has chosen, those of one turn side by side."""
    while len(experiment.clones.sections) > 1 and len(jobs := _awaited_clones(experiment)) > 1:
        _side_by_side(experiment, jobs)


def train_behaviours(experiment: Experiment) -> None:
    """The behaviour of every training seed; the world models that they learn in are trained first (`train_models`)."""
    if _alongside(experiment):
        _side_by_side(experiment, [BehaviourJob(each.tools.training) for each in experiment.trainings])


def train_clones(experiment: Experiment, mixes: Sequence[Sequence[TrainingMix]]) -> None:
    """Clones of every mix of every training seed, `mixes[training]`, each as its training has chosen."""
    if not _alongside(experiment):
        return
    choose_clones(experiment)
    chosen = [each.clones.chosen for each in experiment.trainings]
    jobs = [CloneJob(k, chosen[k], StoredMix.of(mix)) for k, each in enumerate(mixes) for mix in each]
    _side_by_side(experiment, jobs)


def train_mixes(experiment: Experiment, variant: str, mixes: Sequence[TrainingMix]) -> None:
    """Clones of this variant of the first training seed, one of each mix; nothing is chosen."""
    if _alongside(experiment):
        _side_by_side(experiment, [CloneJob(0, variant, StoredMix.of(mix)) for mix in mixes])


@dataclass(frozen=True)
class ModelJob:
    """A training of a world model, as it travels between processes."""

    number: int  # of the training seed
    rounds: int
    other: Settings | None

    def training(self, experiment: Experiment) -> Training:
        return experiment.models.model_training(self.rounds, self.other)


@dataclass(frozen=True)
class StoredMix:
    """A mix as it travels: folders, not their contents."""

    name: str
    data: tuple[Path, ...]
    normaliser: tuple[tuple[Path, ...], ...]
    weights: list[float] | None
    steps: int | None

    @classmethod
    def of(cls, mix: TrainingMix) -> StoredMix:
        normaliser = tuple(_folders(dataset) for dataset in mix.normaliser)
        return cls(mix.name, _folders(mix.dataset), normaliser, mix.weights, mix.steps)

    def opened(self, experiment: Experiment) -> TrainingMix:
        split, keys = experiment.data.config.split(), tuple(experiment.task_spec.observation)

        def dataset(folders: tuple[Path, ...]) -> Dataset:
            return Dataset.open(*folders, split=split, keys=keys)

        normaliser = tuple(dataset(folders) for folders in self.normaliser)
        return TrainingMix(dataset(self.data), self.name, normaliser, self.weights, self.steps)


@dataclass(frozen=True)
class CloneJob:
    """A training of a clone; of the demonstrations where there is no mix."""

    number: int  # of the training seed
    variant: str
    mix: StoredMix | None = None

    def training(self, experiment: Experiment) -> Training:
        return experiment.clones.training(self.variant, None if self.mix is None else self.mix.opened(experiment))


@dataclass(frozen=True)
class BehaviourJob:
    """A training of a behaviour inside a world model, which is trained already."""

    number: int  # of the training seed

    def training(self, experiment: Experiment) -> Training:
        return experiment.models.behaviour_training()


class Job(Protocol):
    """A training as it travels between processes; what `training` needs is in the store by then."""

    @property
    def number(self) -> int:
        """Of the training seed."""

    def training(self, experiment: Experiment) -> Training: ...


def train_jobs(experiment: Experiment, jobs: Sequence[Job]) -> None:
    """Whatever an exercise trains of its own."""
    if _alongside(experiment):
        _side_by_side(experiment, jobs)


def _awaited_clones(experiment: Experiment) -> list[Job]:
    """What each training seed must train before it can choose its clone."""
    awaited = [(each.tools.training, each.clones.waiting_for()) for each in experiment.trainings]
    return [CloneJob(number, variant) for number, variant in awaited if variant is not None]


def _alongside(experiment: Experiment) -> bool:
    """Whether trainings can share the machine: not on a GPU, nor where one of them takes several cores itself."""
    settings, tools = experiment.settings, experiment.tools
    sections = (settings.trainer, settings.bc_trainer, settings.behaviour_trainer)
    trainers = [read_config(TrainerConfig, section, "trainer") for section in sections]
    narrow = all(trainer.devices == 1 and trainer.threads == 1 for trainer in trainers)
    return narrow and tools.workers.count > 1 and tools.device.type == "cpu"


def _side_by_side(experiment: Experiment, jobs: Sequence[Job]) -> None:
    """What of these is not in the store yet; a single one is left to whoever asks for it, with its own progress."""
    trainings = [(job, job.training(experiment.trainings[job.number])) for job in jobs]
    missing = [(job, training) for job, training in trainings if not experiment.models.is_trained(training)]
    if len(missing) < 2:
        return
    names = [f"{training.name}, seed {training.recipe['seed']}" for _, training in missing]
    shown = [0] * len(missing)
    what = ", ".join(dict.fromkeys(training.name.split()[0].strip(",") for _, training in missing))
    with progress(f"train {len(missing)} side by side ({what}), %", PERCENT * len(missing)) as bar:

        def hear(item: tuple[int, Job], news: TrainingProgress) -> None:
            if experiment.run is not None:
                experiment.run.log(news.step, **news.scalars)
            percent = PERCENT * news.step // news.steps
            bar.advance(percent - shown[item[0]])
            shown[item[0]] = percent

        def done(seconds: dict[str, float]) -> None:
            for name, value in seconds.items():
                experiment.tools.seconds[name] = experiment.tools.seconds.get(name, 0.0) + value

        experiment.tools.workers.map(
            partial(_trainer, type(experiment), experiment.settings),
            [(index, job) for index, (job, _) in enumerate(missing)],
            name=lambda item: names[item[0]],
            done=done,
            hear=hear,
        )


def _trainer(kind: type[Experiment], settings: Settings) -> Callable[[tuple[int, Job]], dict[str, float]]:
    """What a worker trains with; it returns what took how many seconds."""
    alone = replace(settings, workers=1)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)  # on the stream as it is now

    def train(item: tuple[int, Job]) -> dict[str, float]:
        _, job = item
        experiment = kind(alone, job.number)
        with redirect_stderr(io.StringIO()):  # the parent alone says how far all are; whom one waits for, the log
            experiment.models.train(job.training(experiment))
        return experiment.tools.seconds

    return train


def _folders(dataset: Dataset) -> tuple[Path, ...]:
    return tuple(shard.folder for shard in dataset.shards)
