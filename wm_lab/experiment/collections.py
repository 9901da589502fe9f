"""The episodes of a run: what is collected, demonstrated or recorded, and the frozen ones that nobody learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import PlayConfig, PolicyFactory
from wm_lab.data.splits import assign
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest, freeze, require_unseen
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.bookkeeping import tally
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.recorded_data import open_recording
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.tools import Tools, identity
from wm_lab.policies.proposals import demonstrated_share
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import read_config
from wm_lab.tasks.task import TaskSpec
from wm_lab.tracking.progress import progress

REST = 5
"""Steps that a demonstration goes on after its first success."""


class Collections:
    """Collects each dataset at most once.

    Where a clone advises the rounds, their noise is in each action dimension the share that was demonstrated.

    collector: who plays the on-policy round of this number (from 1), asked for when it is collected
    """

    def __init__(self, tools: Tools, collector: Callable[[int], Arm]) -> None:
        self.config = read_config(DataConfig, tools.settings.data, "data")
        self._tools, self._collector = tools, collector
        self._opened: dict[tuple[Path, ...], Dataset] = {}
        self._rounds: dict[int, Path] = {}
        self._collected: dict[tuple[str, tuple[int, ...]], Path] = {}

    def dataset(self, rounds: int | None = None) -> Dataset:
        """The collection and its on-policy rounds, all of them or the first few; or what was recorded elsewhere."""
        if self.config.path is not None:
            return self.recording
        rounds = self.rounds if rounds is None else rounds
        return self._open([self._collection("collection", self.config), *(self.round(k + 1) for k in range(rounds))])

    @property
    def rounds(self) -> int:
        """How often a model collects; the truth learns from nothing, and so from no rounds."""
        return 0 if is_simulator(self._tools.settings) else self.config.rounds

    def round(self, number: int) -> Path:
        """The episodes of one round, which asks for the model after the last one, and so for all before it."""
        if number not in self._rounds:
            self._rounds[number] = self._round(number)
        return self._rounds[number]

    @cached_property
    def recording(self) -> Dataset:
        """The dataset at `data.path`."""
        dataset = open_recording(self.config, self._tools.task_spec)
        self._tools.note("recording", str(dataset.shards[0].folder.absolute()))
        return dataset

    @cached_property
    def demonstrated(self) -> Dataset:
        """The solved episodes of the dataset at `data.demonstrated`; UserError where they are too few to clone."""
        dataset = open_recording(
            replace(self.config, path=self.config.demonstrated, rounds=0, advised=False), self._tools.task_spec
        )
        solved = np.concatenate([shard.solved() for shard in dataset.shards])
        chosen = dataset.only(np.flatnonzero(solved))
        if not len(chosen.episodes("train")) or not len(chosen.episodes("validation")):
            raise UserError(
                f"data.demonstrated={self.config.demonstrated} holds {int(solved.sum())} solved episodes, too few to "
                "train and validate a clone; record more, or raise data.validation_fraction"
            )
        return chosen

    def held_out(self) -> int:
        """How many episodes there are, or will be, to validate on."""
        if self.config.path is not None:
            return len(self.recording.episodes("validation"))
        return int((assign(np.array(self.config.seeds()), self.config.episodes, self.config.split()) == 1).sum())

    def demonstrations(self, count: int | None = None) -> Dataset:
        """Undisturbed episodes of the expert, which is what gets cloned: so many, or as many as were asked for.

        Or all of somebody else's, where `data.demonstrated` names them.
        """
        if self.config.demonstrated is not None:
            return self.demonstrated
        wanted = replace(self.config, mixture={"expert": 1.0}, rounds=0, advised=False)
        seeds = self.config.demonstration_seeds(self._tools.settings.demonstrations if count is None else count)
        # They end soon after success: a clone that sees the expert rest at the goal most of the time learns to rest.
        return self._open([self._collection("demonstrations", wanted, PlayConfig(stop_after_success=REST), seeds)])

    def normaliser(self, demonstrations: Dataset) -> tuple[Dataset, ...]:
        """Whose statistics a clone of these demonstrations normalises by: theirs, and those of the collection that the
        world model learns from.

        Not of the rounds, so that the clone that advises their collection is the one that plays in the test.
        """
        return demonstrations, self.dataset(0)

    def unseen(self, episodes: int) -> Dataset:
        """Episodes like the collection's, from the frozen test starts: no model was trained or chosen on them.

        Of a recording, so many of its test split, or as many as there are.
        """
        if not self._tools.task.playable:
            return self.recording.only(self.recording.episodes("test")[:episodes])
        return self._open([self._collection("test episodes", self.config, seeds=list(self.manifest(episodes).seeds))])

    def held_out_episodes(self, episodes: int) -> Dataset:
        """Whole episodes to begin in and to take goals from: so many like the collection's, from the test starts.

        Of a recording, those of its test split, or of its validation split where it has none.
        """
        if self.config.path is None:
            return self.unseen(episodes)
        test = self.recording.episodes("test")
        return self.recording.only(test if len(test) else self.recording.episodes("validation"))

    def manifest(self, episodes: int) -> Manifest:
        """The frozen test episodes of this task, the same for every arm of every run."""
        offset = self._tools.settings.evaluation["offset"]
        return self._frozen(self._tools.evaluated.task_spec, episodes, "test", offset)

    def validation_manifest(self, episodes: int, offset: int = 0) -> Manifest:
        """Starts to choose between policies on, neither collected, demonstrated nor tested; nothing varies in them.

        offset: of the first of them, for more that are others
        """
        return self._frozen(self._tools.task_spec, episodes, "validation", offset)

    def _frozen(self, task_spec: TaskSpec, episodes: int, split: str, offset: int = 0) -> Manifest:
        manifest = freeze(task_spec, episodes, split=split, offset=offset)
        collected = self.config.seeds() if self.config.path is None else self.recording.table.seed.tolist()
        require_unseen(manifest, collected)
        return manifest

    def _open(self, folders: list[Path]) -> Dataset:
        """What the store holds never changes, so each dataset is opened once."""
        if (place := tuple(folders)) not in self._opened:
            self._opened[place] = Dataset.open(*folders, split=self.config.split())
        return self._opened[place]

    def _collection(
        self, what: str, config: DataConfig, play: PlayConfig | None = None, seeds: list[int] | None = None
    ) -> Path:
        seeds = config.seeds() if seeds is None else seeds
        key = (what, tuple(seeds))
        if key not in self._collected:  # a run asks dozens of times
            self._collected[key] = self._collected_now(what, config, play, seeds)
        return self._collected[key]

    def _collected_now(self, what: str, config: DataConfig, play: PlayConfig | None, seeds: list[int]) -> Path:
        task_spec = self._tools.task_spec
        play = play or PlayConfig(stop_after_success=config.stop_after_success)
        recipe = {
            "name": task_spec.name,
            "task": identity(self._tools.settings.task),
            "physics": task_spec.physics,
            "exploration": asdict(config.exploration()),
            "play": asdict(play),
            "seeds": seeds,
        }
        player = CollectionPolicy(ExpertPolicy, {"name": "expert"}, config.exploration())
        return self._collect(what, recipe, player, 0, play)

    def _round(self, number: int) -> Path:
        arm, task_spec, exploration = self._collector(number), self._tools.task_spec, self.config.round_exploration()
        share = demonstrated_share(self.demonstrations().spec).tolist() if self.config.advised else None
        recipe = {
            "name": f"{task_spec.name}-round{number}",
            "task": identity(self._tools.settings.task),
            "physics": task_spec.physics,
            "policy": arm.recipe(),
            "exploration": asdict(exploration),
            "seeds": self.config.seeds(number),
        }
        if share is not None:
            recipe["share"] = share
        description = {"name": arm.name, "key": self._tools.store.key("policy", arm.recipe())}
        player = CollectionPolicy(arm.build, description, exploration, share)
        return self._collect(f"collection, round {number}", recipe, player, number)

    def _collect(
        self, what: str, recipe: Section, player: CollectionPolicy, number: int, play: PlayConfig | None = None
    ) -> Path:
        tools, seeds = self._tools, recipe["seeds"]
        title = f"collect {tools.task_spec.name}" + (f", round {number}" if number else "")

        def make(folder: Path) -> None:
            with progress(title, len(seeds)) as bar, tools.clock("collection"):
                collect(
                    folder,
                    tools.make_task,
                    player.policy,
                    seeds,
                    player.exploration,
                    round_number=number,
                    description=player.description,
                    share=player.share,
                    config=play,
                    workers=tools.workers,
                    advance=tally(bar),
                )

        return tools.keep(what, "dataset", recipe, make)


class CollectionPolicy(NamedTuple):
    """Who plays what is collected."""

    policy: PolicyFactory
    description: Section  # as the dataset tells it
    exploration: ExplorationConfig
    share: list[float] | None = None  # of the noise, for each action dimension
