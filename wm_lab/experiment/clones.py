"""The cloned policy of a training: variants of it play validation episodes, and the best of them goes on.

What a precise task needs hurts where the demonstrator hesitates: fine inputs without dropout take a clone of `insert`
from none of its episodes to all of them, and cost one of `push` a tenth. The loss on held-out demonstrations does not
show it, playing does. The starts are neither anybody's data nor the test's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wm_lab.domains import Amount
from wm_lab.errors import UserError
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import CloneArm
from wm_lab.experiment.collections import REST, Collections
from wm_lab.experiment.evaluations import Evaluations
from wm_lab.experiment.models import Models, Training
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.tools import Tools
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.policies.behaviour_cloning import BehaviourCloningConfig
from wm_lab.reports.tables import Table, blank_repeats
from wm_lab.settings import config_of, read_config, target


@dataclass
class CloningConfig:
    validation_episodes: Amount = 24  # that each variant plays; 0: nothing is chosen, the clone is as `bc` says
    variants: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "precise": {"fine": True, "dropout": 0.0},
            "smooth": {"fine": False, "dropout": 0.1},
        }
    )
    """Options of `bc` to try, tried in this order until one solves every episode; {}: `bc` as it is."""


@dataclass(frozen=True)
class VariantTrial:
    """What one variant did in the validation episodes."""

    variant: str
    outcomes: Outcomes

    @property
    def merit(self) -> tuple[int, int, float]:
        """Episodes solved; of equals, those still solved at the end; of equals still, the mean return."""
        outcomes = self.outcomes
        return int(outcomes.success.sum()), int(outcomes.success_at_end.sum()), float(outcomes.episode_return.mean())


class Clones:
    """Trains the variants of a clone, tries them, and hands out the best."""

    def __init__(self, tools: Tools, data: Collections, models: Models, evaluations: Evaluations) -> None:
        self._tools, self._data, self._models, self._evaluations = tools, data, models, evaluations
        self.sections = variants(tools.settings)
        self._checked = read_config(CloningConfig, tools.settings.cloning, "cloning")

    def training(self, variant: str | None = None, mix: TrainingMix | None = None) -> Training:
        """How a variant is trained, the chosen one if none is named, on the demonstrations or on `mix`."""
        name = self.chosen if variant is None else variant
        return self._models.clone_training(mix, name, self.sections[name])

    def checkpoint(self, mix: TrainingMix | None = None) -> Path:
        """Of the chosen variant, trained on the demonstrations or on `mix`."""
        found = self._models.train(self.training(mix=mix))
        if mix is None:
            self._tools.note("clone", f"model/{found.parent.name}")  # whatever its variant
        return found

    @property
    def settings(self) -> Settings:
        """The run's, with the chosen variant as its clone."""
        return replace(self._tools.settings, bc=self.sections[self.chosen])

    @cached_property
    def chosen(self) -> str:
        """The best variant; nothing is played where there is but one."""
        if len(self.sections) == 1:
            return next(iter(self.sections))
        return max(self.trials, key=lambda trial: trial.merit).variant  # the first of equals

    @cached_property
    def trials(self) -> list[VariantTrial]:
        """Variants as they were tried, each trained now unless it was before."""
        trials: list[VariantTrial] = []
        while (variant := self.next_variant(trials)) is not None:
            trials.append(self._tried(variant))
        return trials

    def numbers(self) -> dict[str, Any]:
        """JSON-ready: the choice, and each trial's (solved, still there, mean return)."""
        merits = {trial.variant: trial.merit for trial in self.trials}
        return {"seed": self._tools.settings.seed, "chosen": self.chosen, "trials": merits}

    def next_variant(self, trials: Sequence[VariantTrial]) -> str | None:
        """Which variant is to be tried after these; None: enough were."""
        done = trials and trials[-1].outcomes.success.all()
        return None if done or len(trials) == len(self.sections) else list(self.sections)[len(trials)]

    def waiting_for(self) -> str | None:
        """The variant whose training holds the choice up; None: all that it needs is in the store."""
        trials: list[VariantTrial] = []
        while (variant := self.next_variant(trials)) is not None:
            if not self._models.is_trained(self.training(variant)):
                return variant
            if len(self.sections) == 1:
                return None
            trials.append(self._tried(variant))
        return None

    def _tried(self, variant: str) -> VariantTrial:
        settings = self._tools.settings.without_variation()
        starts = self._data.validation_manifest(self._checked.validation_episodes)
        arm = CloneArm(f"bc {variant} in validation", settings, self._models.train(self.training(variant)))
        return VariantTrial(variant, self._evaluations.play(arm, starts, REST))


def variants(settings: Settings) -> dict[str, Section]:
    """{name: options of `bc`}, one where nothing is to be chosen; UserError for options that there are not."""
    config: CloningConfig = read_config(CloningConfig, settings.cloning, "cloning")
    if not config.validation_episodes or not config.variants:
        return {"": settings.bc}
    default = BehaviourCloningConfig()
    for name in {name for variant in config.variants.values() for name in variant}:
        if name in settings.bc and settings.bc[name] != getattr(default, name, settings.bc[name]):
            raise UserError(
                f"bc.{name}={settings.bc[name]} would be overridden by cloning.variants, which choose it on validation "
                f"episodes; set cloning.validation_episodes=0 to have the clone as bc.* says"
            )
    sections = {name: {**settings.bc, **options} for name, options in config.variants.items()}
    for name, section in sections.items():
        read_config(config_of(target(object, section, "bc")), section, f"cloning.variants.{name}")
    return sections


def clone_table(clones: Sequence[Clones]) -> Table:
    """Each training's trials and what was chosen."""
    rows = [
        (str(trial.outcomes.seed), trial.variant, *_told(trial), "plays on" if trial.variant == each.chosen else "")
        for each in clones
        for trial in each.trials
    ]
    columns = ("seed", "clone", "solved", "still there", "return", "n", "chosen")
    caption = "On starts that are neither anybody's data nor the test's; the first that solves all ends the search."
    starts = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    return Table("Choice of the clone", columns, blank_repeats(rows), frozenset({"clone", "chosen"}), caption, starts)


def _told(trial: VariantTrial) -> tuple[str, ...]:
    solved, stayed, earned = trial.merit
    return str(solved), str(stayed), f"{earned:.2f}", str(len(trial.outcomes.manifest))
