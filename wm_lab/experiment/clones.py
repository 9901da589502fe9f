"""The cloned policy of a training: variants of it play validation episodes, and the best of them goes on.

Fine inputs without dropout take a clone of `insert` from none of its episodes to all of them. With 25 demonstrations a
clone of `place` wants dropout beside them, and one of `push` dropout without them. The loss on held-out demonstrations
does not show it, playing does. The starts are neither anybody's data nor the test's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wm_lab.domains import Amount
from wm_lab.errors import UserError
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import IN_VALIDATION, CloneArm
from wm_lab.experiment.collections import REST, Collections
from wm_lab.experiment.evaluations import Evaluations
from wm_lab.experiment.models import Models, Training
from wm_lab.experiment.policy_selection import PolicySelection
from wm_lab.experiment.run_settings import Section, Settings
from wm_lab.experiment.tools import Tools
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.policies.behaviour_cloning import BehaviourCloningConfig
from wm_lab.settings import config_of, read_config, target


@dataclass
class CloningConfig:
    validation_episodes: Amount = 24  # that each variant plays; 0: nothing is chosen, the clone is as `bc` says
    variants: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "precise": {"fine": True, "dropout": 0.0},
            "steady": {"fine": True, "dropout": 0.1},
            "smooth": {"fine": False, "dropout": 0.1},
        }
    )
    """Options of `bc` to try, tried in this order until one solves every episode; ~cloning.variants.smooth leaves one
    out."""


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

    @cached_property
    def chosen(self) -> str:
        """The best variant; nothing is played where there is but one."""
        return self.selection.chosen if len(self.sections) > 1 else next(iter(self.sections))

    @cached_property
    def selection(self) -> PolicySelection:
        """The variants that were tried, each trained now unless it was before."""
        played: dict[str, Outcomes] = {}
        while (variant := self._next(played)) is not None:
            played[variant] = self._try(variant)
        return PolicySelection(played)

    def waiting_for(self) -> str | None:
        """The variant whose training holds the choice up; None: all that it needs is in the store."""
        played: dict[str, Outcomes] = {}
        while (variant := self._next(played)) is not None:
            if not self._models.is_trained(self.training(variant)):
                return variant
            if len(self.sections) == 1:
                return None
            played[variant] = self._try(variant)
        return None

    def _next(self, played: Mapping[str, Outcomes]) -> str | None:
        """Which variant is to be tried after these; None: all were, or the last one solved everything."""
        if any(outcomes.success.all() for outcomes in played.values()):
            return None
        return next((name for name in self.sections if name not in played), None)

    def _try(self, variant: str) -> Outcomes:
        settings = self._tools.settings.without_variation()
        starts = self._data.validation_manifest(self._checked.validation_episodes)
        arm = CloneArm(f"bc {variant}{IN_VALIDATION}", settings, self._models.train(self.training(variant)))
        return self._evaluations.play(arm, starts, REST)


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
