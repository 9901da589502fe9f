"""The shape of an exercise: a question that an experiment can answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.reports.drawing import Figures
from wm_lab.reports.moving import Clip
from wm_lab.reports.tables import Table
from wm_lab.view.sequences import Viewed


@dataclass
class Answer:
    """What an exercise ends in. `numbers` are JSON-ready; the first verdict is the headline."""

    verdicts: list[str]
    numbers: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    figures: MutableMapping[str, Any] = field(default_factory=Figures)  # {name: matplotlib Figure, or what draws one}
    outcomes: Mapping[str, Sequence[Outcomes]] = field(default_factory=dict)  # who did what in each training's episodes
    pictures: dict[str, Path] = field(default_factory=dict)  # {name: PNG or GIF saved among the plots of the run}
    viewed: list[Viewed] = field(default_factory=list)  # the same for Rerun's viewer, where it is wanted
    clips: list[Clip] = field(default_factory=list)  # moving pictures, which the page begins with
    model: dict[str, float | None] | None = None  # what the world model cost and how fast it is

    def __post_init__(self) -> None:
        self.figures = Figures(self.figures)


class Exercise(ABC):
    """Built as `Exercise(Config(...))`; one file and one YAML each."""

    Config: type

    needs_expert: ClassVar[bool] = False
    """True of a question that has no answer where nobody shows how the task is done."""

    observation: ClassVar[str] = "state"
    """What a hand task shows where `task.observation` does not say."""

    metric: ClassVar[str] = ""
    """The one number of its answer that a search can maximise (`optimized_metric`): `success` or `H_skill`."""

    def unread(self, settings: Settings) -> frozenset[str]:
        """What this question makes nothing of, of `behaviour`, `value`, `evaluation.offset` and the sections of
        `experiment.unread`; who collects rounds may still read all but the third."""
        return frozenset()

    @abstractmethod
    def check(self, experiment: Experiment) -> None:
        """Raise UserError where this question cannot be asked of these settings; called before any work."""

    @abstractmethod
    def run(self, experiment: Experiment) -> Answer:
        """Do the work and answer."""
