"""The data of a run: what is collected, demonstrated or recorded, and the frozen episodes that nobody learns from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import PlayConfig
from wm_lab.data.splits import assign
from wm_lab.evaluation.manifest import Manifest, freeze, require_unseen
from wm_lab.experiment.arms import PlanningArm
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.recorded_data import open_recording
from wm_lab.experiment.settings import Section
from wm_lab.experiment.workbench.tools import Tools, identity
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.task import TaskCard
from wm_lab.tracking.progress import progress

REST = 5
"""Steps that a demonstration goes on after its first success."""


class Data(Tools, ABC):
    """Collects each data set at most once."""

    def dataset(self, rounds: int | None = None) -> Dataset:
        """The collection and its on-policy rounds, all of them or the first few; or what was recorded elsewhere."""
        if self.data.path is not None:
            return self.recording
        rounds = self.data.rounds if rounds is None else rounds
        return self._open([self._collection(self.data), *(self._round(k + 1) for k in range(rounds))])

    @cached_property
    def recording(self) -> Dataset:
        """The dataset at `data.path`."""
        return open_recording(self.data, self.card)

    def held_out(self) -> int:
        """How many episodes there are, or will be, to validate on."""
        if self.data.path is not None:
            return len(self.recording.episodes("validation"))
        return int((assign(np.array(self.data.seeds()), self.data.episodes, self.data.split()) == 1).sum())

    def demonstrations(self, count: int | None = None) -> Dataset:
        """Undisturbed episodes of the expert, which is what gets cloned: so many, or as many as were asked for."""
        wanted = replace(self.data, mixture={"expert": 1.0}, rounds=0, advised=False)
        seeds = self.data.demonstration_seeds(self.settings.demonstrations if count is None else count)
        # They end soon after success: a clone that sees the expert rest at the goal most of the time learns to rest.
        return self._open([self._collection(wanted, PlayConfig(stop_after_success=REST), seeds)])

    def eyes(self, demonstrations: Dataset) -> tuple[Dataset, ...]:
        """What a clone of these demonstrations sees by: them, and the collection that the world model learns from.

        Not the rounds, so that the clone that advises their collection is the one that plays in the test.
        """
        return demonstrations, self.dataset(0)

    def unseen(self, episodes: int) -> Dataset:
        """Episodes like the collection's, from the frozen test starts: no model was trained or chosen on them.

        Of a recording, so many of its test split, or as many as there are.
        """
        if not self.task.playable:
            return self.recording.only(self.recording.episodes("test")[:episodes])
        return self._open([self._collection(self.data, seeds=list(self.manifest(episodes).seeds))])

    def manifest(self, episodes: int) -> Manifest:
        """The frozen test episodes of this task, the same for every arm of every run."""
        return self._frozen(self.evaluated.card, episodes, "test", self.settings.evaluation["offset"])

    def practice(self, episodes: int) -> Manifest:
        """Starts to choose between policies on, neither collected, demonstrated nor tested; nothing varies in them."""
        return self._frozen(self.card, episodes, "validation")

    def _frozen(self, card: TaskCard, episodes: int, split: str, offset: int = 0) -> Manifest:
        manifest = freeze(card, episodes, split=split, offset=offset)
        require_unseen(manifest, self.data.seeds() if self.data.path is None else self.recording.table.seed.tolist())
        return manifest

    @abstractmethod
    def world_model(self, rounds: int | None = None) -> Path:
        """Checkpoint of the world model that on-policy rounds are planned with; see `training`."""

    @abstractmethod
    def clone(self) -> Path:
        """Checkpoint of the policy that advises them where `data.advised`; see `training`."""

    def _open(self, folders: list[Path]) -> Dataset:
        return Dataset.open(*folders, split=self.data.split())

    def _collection(self, data: DataConfig, play: PlayConfig | None = None, seeds: list[int] | None = None) -> Path:
        seeds = data.seeds() if seeds is None else seeds
        recipe = {
            "name": self.card.name,
            "task": identity(self.settings.task),
            "physics": self.card.physics,
            "exploration": asdict(data.exploration()),
            "play": asdict(play or PlayConfig()),
            "seeds": seeds,
        }
        title = f"collect {self.card.name}"
        return self._collect(recipe, ExpertPolicy, data.exploration(), seeds, 0, {"name": "expert"}, title, play)

    def _round(self, number: int) -> Path:
        adviser = self.clone() if self.data.advised else None
        unvaried = self.settings.without_variation()
        arm = PlanningArm("collector", unvaried, self.world_model(number - 1), proposals=adviser)
        recipe = {
            "name": f"{self.card.name}-round{number}",
            "task": identity(self.settings.task),
            "physics": self.card.physics,
            "policy": arm.recipe(),
            "exploration": asdict(self.data.round_exploration()),
            "seeds": self.data.seeds(number),
        }
        description = {"name": arm.name, "key": self.store.key("policy", arm.recipe())}
        title = f"collect {self.card.name} by planning"
        exploration = self.data.round_exploration()
        return self._collect(recipe, arm.build, exploration, self.data.seeds(number), number, description, title)

    def _collect(
        self,
        recipe: Section,
        policy: Any,
        exploration: ExplorationConfig,
        seeds: list[int],
        number: int,
        description: Section,
        title: str,
        play: PlayConfig | None = None,
    ) -> Path:
        def make(folder: Path) -> None:
            with progress(title, len(seeds)) as bar, self._clock("collection"):
                collect(
                    folder,
                    self.make_task,
                    policy,
                    seeds,
                    exploration,
                    round_number=number,
                    description=description,
                    config=play,
                    workers=self.workers,
                    advance=tally(bar),
                )

        return self.store.get("dataset", recipe, make)
