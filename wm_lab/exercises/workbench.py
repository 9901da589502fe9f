"""Everything an exercise may ask for, made at most once: data, trained models, played episodes.

What exists is found in the store under the hash of all that made it; what does not is made now, with progress shown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.data.config import MAX_SEED, DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.rollout import PlayConfig, TaskFactory, play
from wm_lab.data.splits import assign
from wm_lab.data.window_reader import require_length
from wm_lab.data.windows import newest_weights
from wm_lab.data.workers import Workers
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import Manifest, freeze, require_unseen
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.exercises.arms import Arm, evaluated_task, mpc_arm
from wm_lab.exercises.bookkeeping import Clock, tally
from wm_lab.exercises.checks import check_playing, check_training
from wm_lab.exercises.diet import Diet
from wm_lab.exercises.recorded_data import open_recording
from wm_lab.exercises.scoring import decision_milliseconds, outcomes_of
from wm_lab.exercises.settings import Section, Settings
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import build, read_config, target
from wm_lab.store import Store
from wm_lab.tasks.task import HINTS, Task, TaskCard
from wm_lab.tasks.variation import NONE
from wm_lab.tracking.progress import progress
from wm_lab.tracking.run import Run
from wm_lab.training.checkpoint import load_model
from wm_lab.training.config import TrainerConfig
from wm_lab.training.trainer import BEST, train

log = logging.getLogger(__name__)

OUTCOMES = "outcomes.json"

REST = 5
"""Steps that a demonstration goes on after its first success."""


class Workbench:
    """Tools of one run. `run` receives metrics; None keeps none (in a notebook, say).

    Its worker processes stay from the first work to `close`, or to the end of a `with` block.
    """

    def __init__(self, settings: Settings, run: Run | None = None) -> None:
        self.settings, self.run = settings, run
        self.store = Store(settings.store)
        self.workers = Workers(settings.workers)
        self.data = read_config(DataConfig, settings.data, "data")
        self.device = torch.device(settings.device)
        torch.set_num_threads(read_config(TrainerConfig, settings.trainer, "trainer").threads)
        self.seconds: dict[str, float] = {}
        """What was made in this run, and how long it took."""

    def close(self) -> None:
        """Send the worker processes home."""
        self.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def make_task(self) -> TaskFactory:
        return partial(build, self.settings.task, "task")

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

    def check(self) -> None:
        """Raise UserError for settings that cannot work together, before anything is made."""
        check_training(self.settings, self.task)
        if self.task.playable:
            check_playing(self.settings, self.evaluated)
        if self.data.path is not None:
            require_length(self.recording, "train", read_config(TrainerConfig, self.settings.trainer, "trainer").length)

    def require_playable(self, exercise: str) -> None:
        """Raise UserError unless there is a simulator to play in."""
        if not self.task.playable:
            raise UserError(
                f"{exercise} plays episodes, and {self.card.name} is a recording without a simulator; choose "
                "exercise=imagination or exercise=latent, or the task that was recorded"
            )

    def require_nominal(self, exercise: str) -> None:
        """Raise UserError where evaluation episodes are to vary: this exercise plays none."""
        if self.settings.variation != NONE:
            raise UserError(
                f"evaluation.variation={self.settings.variation} is for episodes that arms are compared on, and "
                f"{exercise} looks at episodes like those of the collection; set evaluation.variation=none, or choose "
                "exercise=planning or exercise=augmentation"
            )

    # Data

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
        # A seed of their own, from the far end, keeps their episodes apart from every collection's.
        wanted = replace(
            self.data,
            episodes=self.settings.demonstrations if count is None else count,
            mixture={"expert": 1.0},
            rounds=0,
            seed=MAX_SEED - self.data.seed,
        )
        # They end soon after success: a clone that sees the expert rest at the goal most of the time learns to rest.
        return self._open([self._collection(wanted, PlayConfig(stop_after_success=REST))])

    def unseen(self, episodes: int) -> Dataset:
        """Episodes like the collection's, from the frozen test starts: no model was trained or chosen on them.

        Of a recording, so many of its test split, or as many as there are.
        """
        if not self.task.playable:
            return self.recording.only(self.recording.episodes("test")[:episodes])
        return self._open([self._collection(self.data, seeds=list(self.manifest(episodes).seeds))])

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
        unvaried = replace(self.settings, evaluation={"variation": NONE})
        arm = mpc_arm(unvaried, "collector", self.world_model(number - 1))
        recipe = {
            "name": f"{self.card.name}-round{number}",
            "task": identity(self.settings.task),
            "physics": self.card.physics,
            "policy": arm.recipe,
            "exploration": asdict(self.data.round_exploration()),
            "seeds": self.data.seeds(number),
        }
        description = {"name": arm.name, "key": self.store.key("policy", arm.recipe)}
        title = f"collect {self.card.name} by planning"
        exploration = self.data.round_exploration()
        return self._collect(recipe, arm.make, exploration, self.data.seeds(number), number, description, title)

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

    # Training

    def world_model(self, rounds: int | None = None) -> Path:
        """Checkpoint of the world model after the first collection and so many on-policy rounds."""
        rounds = self.data.rounds if rounds is None else rounds
        settings = self.settings
        trainer: TrainerConfig = read_config(TrainerConfig, settings.trainer, "trainer")
        earlier = self.world_model(rounds - 1) if rounds else None
        if rounds:
            trainer = trainer.for_round()
        dataset = self.dataset(rounds)
        recipe = self._training_recipe(settings.label("model"), settings.model, trainer, dataset, rounds)
        if earlier is not None:
            recipe["continues"] = earlier.parent.name
        weights = newest_weights(dataset, self.data.newest_fraction if rounds else None)
        title = f"train {settings.label('model')}" + (f", round {rounds}" if rounds else "")

        def make() -> nn.Module:
            if earlier is not None:
                return load_model(earlier)
            return build(settings.model, "model", dataset.spec)

        return self._train(recipe, make, dataset, trainer, weights, title, f"train_{rounds}" if rounds else "train")

    def clone(self, diet: Diet | None = None) -> Path:
        """Checkpoint of the policy cloned from the demonstrations, or from what `diet` holds."""
        settings = self.settings
        trainer: TrainerConfig = read_config(TrainerConfig, settings.bc_trainer, "bc_trainer")
        diet = diet or Diet(self.demonstrations())
        trainer = replace(trainer, steps=diet.steps or trainer.steps)
        recipe = self._training_recipe("bc", settings.bc, trainer, diet.dataset, 0) | diet.recipe()
        return self._train(
            recipe,
            lambda: build(settings.bc, "bc", diet.spec),
            diet.dataset,
            trainer,
            diet.weights,
            f"train bc {diet.name}".strip(),
            f"bc_{diet.name}" if diet.name else "bc",
        )

    def _training_recipe(
        self, name: str, section: Section, trainer: TrainerConfig, dataset: Dataset, rounds: int
    ) -> Section:
        kept = {key: value for key, value in asdict(trainer).items() if key not in TrainerConfig.SILENT}
        recipe = {
            "name": f"{name}-{self.card.name}",
            "model": section,
            "revision": getattr(target(section, name), "REVISION", 0),
            "trainer": kept,
            "data": dataset.digest,
            "newest_fraction": self.data.newest_fraction if rounds else None,
            "seed": self.settings.seed,
            "device": self.device.type,
        }
        # Several devices draw other noise than one, which keeps the name that it had before they came.
        return recipe if trainer.devices == 1 else recipe | {"devices": trainer.devices}

    def _train(
        self,
        recipe: Section,
        make: Callable[[], nn.Module],
        dataset: Dataset,
        trainer: TrainerConfig,
        weights: list[float] | None,
        title: str,
        prefix: str,
    ) -> Path:
        def work(folder: Path) -> None:
            dataset.verify()
            torch.manual_seed(self.settings.seed)  # of the initial weights
            model = make()
            with progress(title, trainer.steps) as bar, self._clock(title):
                done = 0

                def tell(step: int, scalars: Mapping[str, float]) -> None:
                    nonlocal done
                    bar.advance(step - done, loss=round(scalars["loss"], 3))
                    done = step
                    if self.run is not None:
                        self.run.log(step, **{f"{prefix}/{name}": value for name, value in scalars.items()})

                train(
                    model,
                    dataset,
                    trainer,
                    folder,
                    self.settings.seed,
                    device=self.device,
                    shard_weights=weights,
                    log=tell,
                )

        return self.store.get("model", recipe, work) / BEST

    # Evaluation

    def manifest(self, episodes: int) -> Manifest:
        """The frozen test episodes of this task, the same for every arm of every run."""
        manifest = freeze(self.evaluated.card, episodes)
        require_unseen(manifest, self.data.seeds() if self.data.path is None else self.recording.table.seed.tolist())
        return manifest

    def evaluate(self, arm: Arm, manifest: Manifest, play_on: int | None) -> Outcomes:
        """Play every episode of the manifest and time single decisions.

        play_on: steps that an episode goes on after its first success; None: to the task's limit. "Success at the end"
            is success in the last step played, and the return is what was paid up to there.
        """
        recipe = {
            "name": f"{arm.recipe['policy']}-{self.card.name}",
            "policy": arm.recipe,
            "manifest": manifest.to_dict(),
            "task": identity(self.settings.task),
            "group": arm.group,
            "play_on": play_on,
        }

        def work(folder: Path) -> None:
            config = PlayConfig(stop_after_success=play_on, steps=manifest.step_budget, group=arm.group)
            with progress(f"play {arm.name}", len(manifest)) as bar, self._clock(f"play {arm.name}"):
                episodes = play(
                    self.make_evaluated,
                    arm.make,
                    manifest.seeds,
                    config,
                    workers=self.workers,
                    advance=tally(bar),
                )
            latency = decision_milliseconds(self.make_evaluated, arm.make, manifest.seeds[0], self.workers)
            outcomes_of(arm.name, manifest, episodes, self.settings.seed, latency).save(folder / OUTCOMES)

        found = Outcomes.load(self.store.get("outcomes", recipe, work) / OUTCOMES)
        return replace(found, arm=arm.name)  # the same play may go by several names

    def _clock(self, name: str) -> Clock:
        return Clock(self.seconds, name)


def identity(task: Section) -> Section:
    """What makes a task the task it is: its section without the hints for those who train and plan for it."""
    return {name: value for name, value in task.items() if name not in HINTS}
