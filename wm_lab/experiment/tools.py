"""What a run works with: settings, task, store, worker processes, and a record of what took how long."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from wm_lab.data.rollout import TaskFactory
from wm_lab.data.workers import Workers
from wm_lab.experiment.arms import evaluated_task
from wm_lab.experiment.bookkeeping import Clock
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.settings import build, read_config
from wm_lab.store import Store, Used
from wm_lab.tasks.task import HINTS, Task, TaskSpec
from wm_lab.tasks.variation import NONE
from wm_lab.tracking.run import Run
from wm_lab.training.config import TrainerConfig


class Tools:
    """Tools of one training of a run, which every part of its experiment is handed.

    training: which of the `settings.seeds` trainings these are for; the first speaks for the run
    shared: tools of another training of the run, whose workers and clock these use too
    """

    def __init__(self, settings: Settings, training: int = 0, shared: Tools | None = None) -> None:
        self.settings, self.training = settings.of_training(training), training
        self.run: Run | None = None
        """Receives metrics; None keeps none (in a notebook, say)."""
        self.store = Store(settings.store)
        self.workers: Workers = Workers(settings.workers) if shared is None else shared.workers
        """They stay from the first work to `close`."""
        self.device = torch.device(settings.device)
        torch.set_num_threads(read_config(TrainerConfig, settings.trainer, "trainer").threads)
        self.seconds: dict[str, float] = {} if shared is None else shared.seconds
        """What was made in this run, and how long it took."""
        self.used: list[Used] = [] if shared is None else shared.used
        """What the run works with, made now or before, sorted: no matter what was there, or who came first."""
        self.worlds: dict[str, TaskFactory] = {} if shared is None else shared.worlds
        """Of manifests, by their hash, whose episodes begin otherwise than the task's do."""

    @cached_property
    def make_task(self) -> TaskFactory:
        return partial(build, Task, self.settings.task, "task")

    @cached_property
    def task(self) -> Task:
        """A task of one's own, to ask and to replay with."""
        task = self.make_task()
        task.renderer = self.settings.renderer
        return task

    @cached_property
    def make_evaluated(self) -> TaskFactory:
        """As `make_task`, with what is held out in the frozen episodes."""
        return partial(evaluated_task, self.settings.task, self.settings.variation)

    @cached_property
    def evaluated(self) -> Task:
        """The task as the frozen episodes are played in it."""
        return self.task if self.settings.variation == NONE else self.make_evaluated()

    @property
    def task_spec(self) -> TaskSpec:
        return self.task.task_spec

    def keep(self, what: str, kind: str, recipe: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
        """The artifact's folder (`Store.get`); the run's result tells it as `what`."""
        folder = self.store.get(kind, recipe, build)
        self.note(what, f"{kind}/{folder.name}")
        return folder

    def note(self, what: str, place: str) -> None:
        """The run uses what lies there: below the store, or anywhere by its whole path."""
        used = Used(what, self.settings.seed, place)
        if used not in self.used:
            bisect.insort(self.used, used)

    def clock(self, name: str) -> Clock:
        return Clock(self.seconds, name)


def identity(task: Section) -> Section:
    """What makes a task the task it is: its section without the hints for those who train and plan for it."""
    return {name: value for name, value in task.items() if name not in HINTS}
