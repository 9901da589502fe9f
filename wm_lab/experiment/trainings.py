"""Trains side by side what does not wait for one another, one a process: one thread is all that a small model can use.

Nothing here decides what is trained. An exercise asks the workbench for models and clones and finds them in the store;
what is not trained here beforehand is trained when it is asked for, one after another, to the same weights.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from wm_lab.data.dataset import Dataset
from wm_lab.experiment.arms import is_simulator
from wm_lab.experiment.diet import Diet
from wm_lab.experiment.settings import Settings
from wm_lab.experiment.workbench import Workbench
from wm_lab.experiment.workbench.training import Advance, Lesson
from wm_lab.settings import read_config
from wm_lab.tracking.progress import progress
from wm_lab.training.config import TrainerConfig

PERCENT = 100


def train_models(bench: Workbench, *, clone: bool = False, second: Settings | None = None) -> None:
    """The world model of every training seed after every round, clones of the demonstrations and the second model."""
    asked = [None] if second is None else [None, second]
    models = [other for other in asked if not is_simulator(other or bench.settings)]
    cloned = clone or bench.data.advised
    if not _alongside(bench):
        return
    for rounds in range(bench.data.rounds + 1):
        for each in bench.trainings if models else ():
            each.dataset(rounds)  # collected by all processes; from round 1 on with the model of the round before
        orders: list[Order] = [ModelOrder(each.training, rounds, other) for other in models for each in bench.trainings]
        if cloned and rounds == 0:
            bench.demonstrations()
            orders += [CloneOrder(each.training) for each in bench.trainings]
        _side_by_side(bench, orders)


def train_clones(bench: Workbench, diets: Sequence[Sequence[Diet]]) -> None:
    """Clones of every diet of every training seed, `diets[training]`."""
    if _alongside(bench):
        _side_by_side(bench, [CloneOrder(k, Meal.of(diet)) for k, each in enumerate(diets) for diet in each])


@dataclass(frozen=True)
class ModelOrder:
    """A training of a world model, as it travels between processes."""

    training: int
    rounds: int
    other: Settings | None

    def lesson(self, bench: Workbench) -> Lesson:
        return bench.model_lesson(self.rounds, self.other)


@dataclass(frozen=True)
class Meal:
    """A diet as it travels: folders, not their contents."""

    name: str
    data: tuple[Path, ...]
    eyes: tuple[tuple[Path, ...], ...]
    weights: list[float] | None
    steps: int | None

    @classmethod
    def of(cls, diet: Diet) -> Meal:
        eyes = tuple(_folders(dataset) for dataset in diet.eyes)
        return cls(diet.name, _folders(diet.dataset), eyes, diet.weights, diet.steps)

    def served(self, bench: Workbench) -> Diet:
        def opened(folders: tuple[Path, ...]) -> Dataset:
            return Dataset.open(*folders, split=bench.data.split(), keys=tuple(bench.card.observation))

        eyes = tuple(opened(folders) for folders in self.eyes)
        return Diet(opened(self.data), self.name, eyes, self.weights, self.steps)


@dataclass(frozen=True)
class CloneOrder:
    """A training of a clone; of the demonstrations where there is no meal."""

    training: int
    meal: Meal | None = None

    def lesson(self, bench: Workbench) -> Lesson:
        return bench.clone_lesson(None if self.meal is None else self.meal.served(bench))


Order = ModelOrder | CloneOrder


def _alongside(bench: Workbench) -> bool:
    """Whether trainings can share the machine: not on a GPU, nor where one of them takes several cores itself."""
    sections = (bench.settings.trainer, bench.settings.bc_trainer)
    trainers = [read_config(TrainerConfig, section, "trainer") for section in sections]
    narrow = all(trainer.devices == 1 and trainer.threads == 1 for trainer in trainers)
    return narrow and bench.workers.count > 1 and bench.device.type == "cpu"


def _side_by_side(bench: Workbench, orders: Sequence[Order]) -> None:
    """What of these is not in the store yet; a single one is left to whoever asks for it, with its own progress."""
    lessons = [(order, order.lesson(bench.trainings[order.training])) for order in orders]
    missing = [(o, lesson) for o, lesson in lessons if not bench.trainings[o.training].learnt(lesson)]
    if len(missing) < 2:
        return
    names = [f"{lesson.name}, seed {lesson.recipe['seed']}" for _, lesson in missing]
    shown = [0] * len(missing)
    what = ", ".join(dict.fromkeys(lesson.name.split()[0].strip(",") for _, lesson in missing))
    with progress(f"train {len(missing)} side by side ({what}), %", PERCENT * len(missing)) as bar:

        def hear(item: tuple[int, Order], news: Advance) -> None:
            if bench.run is not None:
                bench.run.log(news.step, **news.scalars)
            percent = PERCENT * news.step // news.steps
            bar.advance(percent - shown[item[0]])
            shown[item[0]] = percent

        def done(seconds: dict[str, float]) -> None:
            for name, value in seconds.items():
                bench.seconds[name] = bench.seconds.get(name, 0.0) + value

        bench.workers.map(
            partial(_trainer, type(bench), bench.settings),
            [(number, order) for number, (order, _) in enumerate(missing)],
            name=lambda item: names[item[0]],
            done=done,
            hear=hear,
        )


def _trainer(kind: type[Workbench], settings: Settings) -> Callable[[tuple[int, Order]], dict[str, float]]:
    """A worker's tools; they return what took how many seconds."""
    alone = replace(settings, workers=1)

    def train(item: tuple[int, Order]) -> dict[str, float]:
        _, order = item
        bench = kind(alone, training=order.training)
        with redirect_stderr(io.StringIO()):  # the parent alone says how far all are
            bench.learn(order.lesson(bench))
        return bench.seconds

    return train


def _folders(dataset: Dataset) -> tuple[Path, ...]:
    return tuple(shard.folder for shard in dataset.shards)
