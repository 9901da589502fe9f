"""What a run works with: settings, task, store, worker processes, and a record of what took how long."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Self

import torch

from wm_lab.data.config import DataConfig
from wm_lab.data.rollout import TaskFactory
from wm_lab.data.workers import Workers
from wm_lab.experiment.arms import evaluated_task
from wm_lab.experiment.bookkeeping import Clock
from wm_lab.experiment.settings import Section, Settings
from wm_lab.settings import build, read_config
from wm_lab.store import Store
from wm_lab.tasks.task import HINTS, Task, TaskCard
from wm_lab.tasks.variation import NONE
from wm_lab.tracking.run import Run
from wm_lab.training.config import TrainerConfig


class Tools:
    """Tools of one run. `run` receives metrics; None keeps none (in a notebook, say).

    training: which of the `settings.seeds` trainings these tools are for; the first speaks for the run
    Its worker processes stay from the first work to `close`, or to the end of a `with` block.
    """

    def __init__(self, settings: Settings, run: Run | None = None, training: int = 0) -> None:
        self.settings, self.run, self.training = settings.of_training(training), run, training
        self.store = Store(settings.store)
        self.workers = Workers(settings.workers)
        self.data = read_config(DataConfig, settings.data, "data")
        self.device = torch.device(settings.device)
        torch.set_num_threads(read_config(TrainerConfig, settings.trainer, "trainer").threads)
        self.seconds: dict[str, float] = {}
        """What was made in this run, and how long it took."""

    @cached_property
    def trainings(self) -> list[Self]:
        """These tools once for each training seed, themselves first; workers, store and clock are shared.

        To be asked for once there is a `run`, which all of them tell.
        """
        if self.training:
            raise ValueError("one training of a run has no trainings of its own")
        siblings = [type(self)(self.settings, self.run, number) for number in range(1, self.settings.seeds)]
        for sibling in siblings:
            sibling.workers, sibling.seconds = self.workers, self.seconds
        return [self, *siblings]

    def close(self) -> None:
        """Send the worker processes home."""
        self.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def make_task(self) -> TaskFactory:
        return partial(build, Task, self.settings.task, "task")

    @cached_property
    def task(self) -> Task:
        """A task of one's own, to ask and to replay with."""
        return self.make_task()

    @cached_property
    def make_evaluated(self) -> TaskFactory:
        """As `make_task`, with what is held out in the frozen episodes."""
        return partial(evaluated_task, self.settings.task, self.settings.variation)

    @cached_property
    def evaluated(self) -> Task:
        """The task as the frozen episodes are played in it."""
        return self.task if self.settings.variation == NONE else self.make_evaluated()

    @property
    def card(self) -> TaskCard:
        return self.task.card

    def _clock(self, name: str) -> Clock:
        return Clock(self.seconds, name)


def identity(task: Section) -> Section:
    """What makes a task the task it is: its section without the hints for those who train and plan for it."""
    return {name: value for name, value in task.items() if name not in HINTS}
