"""Option A's arms: one executor, and whoever says where it should be a little later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch

from wm_lab.data.dataset import Dataset
from wm_lab.exercises.integration.subgoal_trainings import states_of
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.planners.planner import Planner
from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.behaviour_cloning import PLAYING, BehaviourCloningConfig
from wm_lab.policies.imagined_subgoals import GeneratedSubgoals, ImaginedConfig, SearchedSubgoals
from wm_lab.policies.known_subgoals import DemonstratedStates, ExpertSubgoals, RememberedSubgoals, ShuffledSubgoals
from wm_lab.policies.subgoal_cloning import SubgoalCloning
from wm_lab.policies.subgoal_head import SubgoalHead
from wm_lab.policies.subgoals import HoldConfig, SubgoalPolicy, Subgoals
from wm_lab.policies.video_policy import VideoPolicy
from wm_lab.settings import build
from wm_lab.tasks.task import Task
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import ActsByVideo, WorldModel

REVISION = 1
"""Raise it with any change of how sub-goals are held or proposed: played episodes of two revisions do not mix."""


@dataclass(frozen=True)
class VideoArm(Arm):
    """A model that acts by what it imagines to see."""

    settings: Settings
    checkpoint: Path

    def recipe(self) -> Section:
        return {"policy": "video", "checkpoint": self.checkpoint.parent.name, "device": self.settings.device}

    def build(self) -> VideoPolicy:
        return VideoPolicy(load_model(self.checkpoint, ActsByVideo, self.settings.device))


class SubgoalSource(ABC):
    """Who proposes sub-goals, as it travels to worker processes."""

    @abstractmethod
    def recipe(self) -> Section:
        """Everything that its proposals depend on, in JSON's terms."""

    @abstractmethod
    def build(self, task: Task, executor: SubgoalCloning) -> Subgoals:
        """task: one of its own"""


@dataclass(frozen=True)
class SubgoalArm(Arm):
    """An executor that is told sub-goals."""

    settings: Settings
    executor: Path
    source: SubgoalSource
    hold: HoldConfig

    def recipe(self) -> Section:
        return {
            "policy": "subgoals",
            "checkpoint": self.executor.parent.name,
            "source": self.source.recipe(),
            "hold": asdict(self.hold),
            "played": {option: getattr(self._execution, option) for option in PLAYING},
            "revision": REVISION,
        }

    def build(self) -> SubgoalPolicy:
        task = build(Task, self.settings.task, "task")
        net = load_model(self.executor, SubgoalCloning).eval()

        def apart(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
            found: np.ndarray = net.apart(torch.from_numpy(states), torch.from_numpy(goals)).numpy()
            return found

        execution = self._execution
        executor = BCPolicy(net, execution)
        return SubgoalPolicy(executor, self.source.build(task, net), apart, self.hold, execution.execute)

    @property
    def _execution(self) -> BehaviourCloningConfig:
        return BehaviourCloningConfig.played(self.settings.bc)


@dataclass(frozen=True)
class ExpertSource(SubgoalSource):
    """The expert's own future in the true simulator; steps: None is where its episode ends."""

    steps: int | None

    def recipe(self) -> Section:
        return {"of": "expert", "steps": self.steps}

    def build(self, task: Task, executor: SubgoalCloning) -> Subgoals:
        return ExpertSubgoals(task, self.steps)


@dataclass(frozen=True)
class MemorySource(SubgoalSource):
    """What demonstrations showed; steps: after the most similar moment, None is at any moment of any of them."""

    memory: DemonstratedStates = field(repr=False)
    digest: str  # of the data set
    steps: int | None

    @classmethod
    def of(cls, demonstrations: Dataset, steps: int | None) -> Self:
        return cls(memory_of(demonstrations), demonstrations.digest, steps)

    def recipe(self) -> Section:
        return {"of": "demonstrations", "data": self.digest, "steps": self.steps}

    def build(self, task: Task, executor: SubgoalCloning) -> Subgoals:
        if self.steps is None:
            return ShuffledSubgoals(self.memory)
        return RememberedSubgoals(self.memory, self.steps, np.array(executor.spec.std["state"]))


@dataclass(frozen=True)
class GeneratedSource(SubgoalSource):
    """Draws of what demonstrations do next."""

    head: Path
    config: ImaginedConfig
    device: str

    def recipe(self) -> Section:
        return {"of": "head", "checkpoint": self.head.parent.name, **asdict(self.config), "device": self.device}

    def build(self, task: Task, executor: SubgoalCloning) -> Subgoals:
        return GeneratedSubgoals(load_model(self.head, SubgoalHead, self.device), self.config)


@dataclass(frozen=True)
class SearchedSource(SubgoalSource):
    """What a search in the world model comes by; settings: with the planner that searches."""

    settings: Settings
    model: Path
    head: Path
    config: ImaginedConfig
    steps: int

    def recipe(self) -> Section:
        return {
            "of": "search",
            "model": self.model.parent.name,
            "head": self.head.parent.name,
            "planner": self.settings.planner,
            **asdict(self.config),
            "steps": self.steps,
            "device": self.settings.device,
        }

    def build(self, task: Task, executor: SubgoalCloning) -> Subgoals:
        device = self.settings.device
        planner = build(Planner, self.settings.planner, "planner", task.task_spec.action_size)
        model, head = load_model(self.model, WorldModel, device), load_model(self.head, SubgoalHead, device)
        return SearchedSubgoals(model, planner, head, self.config, self.steps)


def memory_of(demonstrations: Dataset) -> DemonstratedStates:
    """Their training episodes."""
    parts = states_of(demonstrations)
    lengths = np.array([len(part) for part in parts])
    return DemonstratedStates(np.concatenate(parts), np.repeat(lengths.cumsum() - 1, lengths))
