"""What one run was asked to do, as plain values: the only form in which a configuration travels through the lab."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from wm_lab.policies.behaviour_cloning import BehaviourCloningConfig
from wm_lab.settings import TARGET
from wm_lab.tasks.overlay import RAYS
from wm_lab.tasks.variation import NONE, EvaluationConfig

RERANKER = "model@exercise.reranker"
"""How a second model is chosen on the command line, and the name of its label."""

EXPLORATION = "exploration"
"""The weight of an objective that counts in rounds of data alone."""

Section = dict[str, Any]
"""Options of one choice, with `_target_` where they say which class they are for."""


@dataclass(frozen=True)
class Settings:
    """Sections are resolved and checked; `labels` are the names under which they were chosen ("rssm", "cem", ...)."""

    exercise: Section
    task: Section
    model: Section
    planner: Section
    objective: Section
    mpc: Section
    bc: Section
    cloning: Section
    data: Section
    trainer: Section
    bc_trainer: Section
    demonstrations: int
    value: Section = field(default_factory=lambda: {"_target_": "wm_lab.values.none.NoValue"})
    seed: int = 0
    seeds: int = 1  # trainings of everything that learns
    device: str = "cpu"
    workers: int | None = None
    media: bool = True  # moving pictures
    renderer: str = RAYS  # who draws pictures for people; for OpenGL its library
    store: Path = Path("outputs/store")
    behaviour: Section = field(default_factory=lambda: {TARGET: "wm_lab.behaviours.none.NoBehaviour"})
    behaviour_trainer: Section = field(default_factory=dict)
    local_planner: Section = field(default_factory=lambda: {TARGET: "wm_lab.planners.local.Local"})
    evaluation: Section = field(default_factory=lambda: asdict(EvaluationConfig()))
    labels: dict[str, str] = field(default_factory=dict)

    def of_training(self, number: int) -> Settings:
        """The run that the training `number` (from 0) would be on its own: other chance, the same data and episodes."""
        return replace(self, seed=self.seed + number)

    @property
    def variation(self) -> str:
        """What is held out in evaluation episodes, and in them alone."""
        variation: str = self.evaluation["variation"]
        return variation

    def without_variation(self) -> Settings:
        """The same run in the world that models learn from."""
        return replace(self, evaluation={**self.evaluation, "variation": NONE})

    def without_exploration(self) -> Settings:
        """The same run where nobody seeks what is new: all of it but the rounds of data."""
        return replace(self, objective={name: value for name, value in self.objective.items() if name != EXPLORATION})

    def label(self, group: str) -> str:
        """How this choice is called in tables."""
        return self.labels.get(group, group)

    def with_model(self, model: Section, label: str) -> Settings:
        """The same run of another world model."""
        return replace(self, model=model, labels={**self.labels, "model": label})

    def with_planner(self, options: Section) -> Settings:
        """The same run with other options of its planner."""
        return replace(self, planner={**self.planner, **options})

    def locally(self) -> Settings:
        """The same run as one that plans around a clone's plan, anew as often as the clone itself would."""
        execute = BehaviourCloningConfig.played(self.bc).execute
        return replace(self, planner=self.local_planner, mpc={**self.mpc, "execute": execute})

    def with_objective(self, weights: dict[str, float]) -> Settings:
        """The same run with other weights of its objective."""
        return replace(self, objective={**self.objective, **weights})
