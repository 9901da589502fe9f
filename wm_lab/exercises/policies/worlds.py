"""The worlds that policies are played in beside the truth: the model, and what it is held against."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from wm_lab.data.episode import Episode
from wm_lab.data.rollout import PlayConfig, TaskFactory, describe_group, split_into_groups
from wm_lab.evaluation.json_files import read_json, write_json
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.exercises.policies.contestants import Contestant
from wm_lab.exercises.policies.dream_player import DOUBT, DreamPlayer
from wm_lab.exercises.policies.linear_world import LinearWorld, LinearWorldConfig
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.dry_run import build_model
from wm_lab.experiment.evaluations import OUTCOMES
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.scoring import outcomes_of
from wm_lab.experiment.tools import Tools, identity
from wm_lab.settings import build
from wm_lab.tasks.simulator import Simulator, SimulatorConfig
from wm_lab.tasks.task import Task
from wm_lab.tracking.progress import progress
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

MODEL, UNTRAINED, LINEAR, TRUTH = "model", "untrained", "linear", "simulator"
"""Names of worlds, as tables show them."""

REVISION = 2
"""Of how episodes are played in imagination."""


DOUBTS = "doubts.json"


class ImaginedEpisodes(NamedTuple):
    """What a policy does in each episode as a world imagines it."""

    success: np.ndarray  # [E] bool
    doubt: np.ndarray  # [E], mean uncertainty of its steps; NaN where the model has none


@dataclass(frozen=True)
class PlayedWorld(ABC):
    """A world that travels to worker processes, which build its model there."""

    name: str

    @abstractmethod
    def recipe(self) -> Section: ...

    @abstractmethod
    def build(self) -> WorldModel: ...


@dataclass(frozen=True)
class ModelWorld(PlayedWorld):
    """A trained model."""

    checkpoint: Path
    device: str

    def recipe(self) -> Section:
        return {"checkpoint": self.checkpoint.parent.name, "device": self.device}

    def build(self) -> WorldModel:
        return load_model(self.checkpoint, WorldModel, self.device)


@dataclass(frozen=True)
class UntrainedWorld(PlayedWorld):
    """The same model with random weights and without the data's statistics, which alone are a linear model."""

    settings: Settings

    def recipe(self) -> Section:
        return {"untrained": self.settings.model, "seed": self.settings.seed, "device": self.settings.device}

    def build(self) -> WorldModel:
        with torch.random.fork_rng():
            torch.manual_seed(self.settings.seed)
            task = build(Task, self.settings.task, "task")
            return build_model(self.settings, task).to(self.settings.device)


@dataclass(frozen=True)
class BestLinearWorld(PlayedWorld):
    """The best linear model of what a trained model has learned from."""

    checkpoint: Path

    def recipe(self) -> Section:
        return {"linear": True, "data_of": self.checkpoint.parent.name}

    def build(self) -> WorldModel:
        return LinearWorld(LinearWorldConfig(), load_model(self.checkpoint, WorldModel).spec)


@dataclass(frozen=True)
class TrueWorld(PlayedWorld):
    """The simulator behind the contract of a world model."""

    settings: Settings

    def recipe(self) -> Section:
        return {"true_dynamics": True}

    def build(self) -> WorldModel:
        return Simulator(SimulatorConfig(), build(Task, self.settings.task, "task"))


def play_in(
    world: PlayedWorld, who: Contestant, tools: Tools, manifest: Manifest, play_on: int | None
) -> ImaginedEpisodes:
    """What a policy does in every episode of the manifest as this world imagines it; played once, then kept.

    Never to be compared with true outcomes as an arm of its own: the manifest is that of the starts alone.
    """
    recipe = {
        "name": f"{who.arm.recipe()['policy']}-{tools.task_spec.name}-imagined",
        "policy": who.arm.recipe(),
        "manifest": manifest.to_dict(),
        "task": identity(tools.settings.task),
        "group": who.arm.group,
        "play_on": play_on,
        "world": world.recipe() | {"revision": REVISION},
    }

    def work(folder: Path) -> None:
        config = PlayConfig(stop_after_success=play_on, steps=manifest.step_budget, group=who.arm.group)
        build = partial(_player, tools.make_task, who, config, world)
        groups = split_into_groups(manifest.seeds, who.arm.group)
        title = f"imagine {who.arm.name}, {world.name}"
        with progress(title, len(manifest)) as bar, tools.clock(f"imagine {who.arm.name}"):
            advance = tally(bar)
            played = tools.workers.map(
                build, groups, name=describe_group, done=lambda group: advance(len(group), solved=_solved(group))
            )
        episodes = [episode for group in played for episode in group]
        outcomes_of(who.arm.name, manifest, episodes, tools.settings.seed).save(folder / OUTCOMES)
        doubts = [float(doubt.mean()) if len(doubt := episode.report[DOUBT]) else None for episode in episodes]
        write_json(folder / DOUBTS, {"doubt": doubts})

    what = f"{who.arm.name} imagined by {world.name}"
    folder = tools.keep(what, "imagined", recipe, work)
    doubt = read_json(folder / DOUBTS, "doubts of a model", ["doubt"])["doubt"]
    return ImaginedEpisodes(Outcomes.load(folder / OUTCOMES).success, np.array(doubt, float))


def _player(task: TaskFactory, who: Contestant, config: PlayConfig, world: PlayedWorld) -> DreamPlayer:
    return DreamPlayer(task, who.build(), config, world.build(), who.privileged)


def _solved(episodes: Sequence[Episode]) -> int:
    return sum(episode.solved for episode in episodes)
