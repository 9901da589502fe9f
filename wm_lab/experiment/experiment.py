"""Everything that an exercise may ask for, made at most once: episodes, trained models, played arms.

What exists is found in the store under the hash of all that made it; what does not is made now, with progress shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Self

from wm_lab.behaviours.behaviour import require_rewards
from wm_lab.data.window_reader import require_episodes
from wm_lab.errors import UserError
from wm_lab.experiment.arms import (
    ACTOR,
    PLANNED_ACTOR,
    Arm,
    CloneArm,
    PlanningArm,
    behaviour_arm,
)
from wm_lab.experiment.checks import check_chunk, check_exploration, check_playing, check_training
from wm_lab.experiment.chosen import learns_inside
from wm_lab.experiment.clones import Clones
from wm_lab.experiment.collections import REST, Collections
from wm_lab.experiment.dry_run import DryRun
from wm_lab.experiment.evaluations import Evaluations
from wm_lab.experiment.models import Models
from wm_lab.experiment.policy_selection import LOCAL, candidates
from wm_lab.experiment.race import Race, run_races
from wm_lab.experiment.run_settings import EXPLORATION, Settings
from wm_lab.experiment.score_error import score_error
from wm_lab.experiment.tools import Tools
from wm_lab.experiment.unread import require_read
from wm_lab.tasks.task import Task, TaskSpec
from wm_lab.tasks.variation import NONE
from wm_lab.tracking.run import Run


class Experiment:
    """The parts of one training of a run, and what joins them: on-policy rounds are collected with the models.

    training, shared: see `Tools`
    Its worker processes stay from the first work to `close`, or to the end of a `with` block.
    """

    def __init__(self, settings: Settings, training: int = 0, shared: Tools | None = None) -> None:
        self.tools = Tools(settings, training, shared)
        self.data = Collections(self.tools, self.collector)
        self.models = Models(self.tools, self.data)
        self.evaluations = Evaluations(self.tools)
        self.clones = Clones(self.tools, self.data, self.models, self.evaluations)
        self._dry_run: DryRun | None = None

    @cached_property
    def settings(self) -> Settings:
        """What everybody is asked but who collects rounds: nobody else explores."""
        return self.tools.settings.without_exploration()

    @property
    def task(self) -> Task:
        """A task of one's own, to ask and to replay with."""
        return self.tools.task

    @property
    def task_spec(self) -> TaskSpec:
        return self.tools.task_spec

    @property
    def dry_run(self) -> DryRun:
        """Model and clone as they are built, for checks; `begin` lets go of them."""
        if self._dry_run is None:
            self._dry_run = DryRun(self.settings, self.task, self.tools.store, asked=self.tools.settings)
        return self._dry_run

    def begin(self, run: Run) -> None:
        """From checks, which were passed, to work, which the run receives the metrics of."""
        if self._dry_run is not None:
            self._dry_run.remember()
        self._dry_run = None
        self.tools.run = run

    @property
    def run(self) -> Run | None:
        """Receives metrics; None keeps none (in a notebook, say)."""
        return self.tools.run

    def collector(self, number: int) -> Arm:
        """Who collects the on-policy round of this number: planning with the model of the round before, or what learned
        in its dreams.

        Where a clone advises, it collects the first round itself: the model learns what lies beside its way. Planning
        around what it proposes takes over once that does better in validation episodes (MoDem-V2, Lancaster et al.
        2023, hands over by a schedule).
        """
        settings = (self.tools.settings if self.explores else self.settings).without_variation()
        return replace(self._acts(number, settings), name="collector")

    def after(self, rounds: int) -> Arm:
        """Who would collect the round after so many, as the test plays it: nobody explores, and episodes may vary."""
        return replace(self._acts(rounds + 1, self.settings), name=f"round {rounds}")

    def _acts(self, number: int, settings: Settings) -> Arm:
        """Who collects the round of this number, with these settings and a name of its own."""
        if (who := self.data.config.collector) in (ACTOR, PLANNED_ACTOR):
            model, behaviour = self.models.world_model(number - 1), self.models.behaviour(number - 1)
            return behaviour_arm(who, settings, model, behaviour)
        if not self.data.config.advised:
            model, value = self.models.world_model(number - 1), self.models.value(number - 1)
            return PlanningArm("mpc", settings, model, value=value)
        clone = self.clones.checkpoint()
        if number == 1:
            return CloneArm("bc", settings, clone)
        model, value = self.models.world_model(number - 1), self.models.value(number - 1)
        arms = candidates(settings, clone, model, value, self.score_error(number - 1))
        chosen = LOCAL
        if episodes := self.data.config.handover_episodes:
            race = Race(arms, self.evaluations, [self.data.validation_manifest(episodes)], REST)
            chosen = run_races([race])[0].chosen
        return next(arm for arm in arms if arm.name == chosen)

    def score_error(self, rounds: int | None = None) -> float | None:
        """By how much the model of so many rounds (None: of all) misjudges what local planning looks at."""
        checkpoint = self.models.world_model(rounds)
        return score_error(self.tools, self.settings.locally(), lambda: self.data.dataset(rounds), checkpoint)

    @property
    def explores(self) -> bool:
        """Whether who collects rounds is paid for what the model does not know."""
        return bool(self.tools.settings.objective.get(EXPLORATION))

    @cached_property
    def trainings(self) -> list[Self]:
        """One experiment for each training seed, this one first; workers, store and clock are shared.

        To be asked for once there is a `run`, which all of them tell.
        """
        if self.tools.training:
            raise ValueError("one training of a run has no trainings of its own")
        others = [type(self)(self.tools.settings, number, self.tools) for number in range(1, self.settings.seeds)]
        for other in others:
            other.tools.run = self.tools.run
        return [self, *others]

    def check(self) -> None:
        """Raise UserError for settings that cannot work together, before anything is made."""
        check_training(self.dry_run)
        if self.task.playable:
            check_playing(self.dry_run, self.tools.evaluated)
            if self.explores:
                check_exploration(self.dry_run, self.tools.settings, self.data.config)
        if self.data.config.path is not None:
            require_episodes(self.data.recording, "train")
            if learns_inside(self.settings):
                require_rewards(self.data.recording)
        if self.data.config.demonstrated is not None:
            longest = int(self.data.demonstrated.table.length.max())
            for section in self.clones.sections.values():
                what = f"every solved episode of data.demonstrated={self.data.config.demonstrated}"
                check_chunk(section["chunk"], longest, what)

    def require_paid(self) -> None:
        """UserError where a behaviour would learn from a collection whose rewards are all the same.

        To be asked before a model is trained; with rounds to come nobody knows yet.
        """
        if learns_inside(self.settings) and not self.data.rounds:
            require_rewards(self.data.dataset())

    def require_playable(self, exercise: str) -> None:
        """Raise UserError unless there is a simulator to play in."""
        if not self.task.playable:
            raise UserError(
                f"{exercise} plays episodes, and {self.task_spec.name} is a recording without a simulator; choose "
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

    def require_read(self, exercise: str, unread: Collection[str], typed: Iterable[str] = ()) -> None:
        """Raise UserError where something was chosen that nobody of this exercise would look at."""
        require_read(self.settings, self.data.config, exercise, unread, typed)

    def close(self) -> None:
        """Send the worker processes home."""
        self.tools.workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
