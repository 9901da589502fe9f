"""Who acts best is found by trying: candidates play validation episodes before the test, and one of them goes on.

A model cannot tell from within how far it is to be trusted against the clone that advises it: the plans predicted best
are those that it overrates most. Trying can tell. The episodes are a validation set: their starts are nobody's data and
nobody's test, and all that is learnt from them is which of the candidates plays on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wm_lab.evaluation.against_clone import CLONE
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm, CloneArm, PlanningArm
from wm_lab.experiment.run_settings import Settings
from wm_lab.planners.planner import Planner, PlannerConfig
from wm_lab.settings import config_of, read_config, target

NEARBY, LOCAL, WIDE, WIDEST, LOCAL_VALUED, ADVISED = "nearby", "local", "wide", "widest", "local_value", "advised"
"""Candidates beside `CLONE`: planning around its plan, near and far, also with a value beyond the horizon, and planning
in the whole box with its proposals."""

SPREADS = {NEARBY: 0.5, LOCAL: 1.0, WIDE: 2.0, WIDEST: 4.0}
"""Of local planning, in spreads of its planner. Near a good clone, since a model ranks no steps of several to a
millimetre; far from one of few demonstrations, where the model is good enough for that."""

CAREFUL = (WIDE, WIDEST)
"""These leave the clone's plan only for one that promises more than the model is usually wrong by."""


class Merit(NamedTuple):
    """How a candidate did; the larger the better, and earlier ones decide."""

    solved: int  # episodes
    still_there: int  # episodes, in the last step played
    saved: float  # minus the mean steps to success, a failure counting as the whole budget
    earned: float  # mean return

    @classmethod
    def of(cls, outcomes: Outcomes) -> Merit:
        return cls(
            solved=int(outcomes.success.sum()),
            still_there=int(outcomes.success_at_end.sum()),
            saved=-float(outcomes.steps_or_budget.mean()),
            earned=float(outcomes.episode_return.mean()),
        )


@dataclass(frozen=True)
class PolicySelection:
    """What each candidate did in the validation episodes, {name: outcomes}; of equals the first is preferred.

    Candidates are policies that might play the test, or variants of the clone. Who played fewer episodes than others
    fell out of the race.
    """

    outcomes: dict[str, Outcomes]

    @property
    def finalists(self) -> dict[str, Outcomes]:
        """Those that played the most episodes."""
        return {name: own for name, own in self.outcomes.items() if len(own.manifest) == len(self.manifest)}

    @property
    def merits(self) -> dict[str, Merit]:
        return {name: Merit.of(outcomes) for name, outcomes in self.outcomes.items()}

    @property
    def chosen(self) -> str:
        """Who solved the most episodes; of equals, who stays, then who is quicker, then who earns more; then the first,
        which thinks least."""
        merits = self.merits
        return max(self.finalists, key=lambda name: merits[name])  # the first of equals

    @property
    def manifest(self) -> Manifest:
        """All episodes that were played."""
        return max((outcomes.manifest for outcomes in self.outcomes.values()), key=len)

    @property
    def seed(self) -> int:
        """Of the training that it was made for."""
        return next(iter(self.outcomes.values())).seed


def candidates(
    settings: Settings,
    clone: Path,
    model: Path,
    value: Path | None,
    error: float | None,
    *,
    local: bool = True,
    advised: bool = False,
) -> list[Arm]:
    """The clone and the planning that it advises, from who thinks least to who thinks most.

    clone, model, value: their checkpoints; None: no value was asked for
    error: by how much the model misjudges what lies ahead (`score_error`); None: nobody knows, and so nobody can plan
        carefully far from the clone
    local, advised: whether planning around the clone's plan, or in the whole box, is among them
    """
    arms: list[Arm] = [CloneArm(CLONE, settings, clone)]
    if local:
        for name, spreads in SPREADS.items():
            around = with_spreads(settings.locally(), spreads)
            if name in CAREFUL and error is None:
                continue
            if name in CAREFUL:
                around = around.with_planner({"margin": error})
            arms.append(PlanningArm(name, around, model, proposals=clone))
    if local and value is not None:
        arms.append(PlanningArm(LOCAL_VALUED, settings.locally(), model, proposals=clone, value=value))
    if advised:
        arms.append(PlanningArm(ADVISED, settings, model, proposals=clone))
    return arms


def with_spreads(settings: Settings, spreads: float) -> Settings:
    """The same run whose planner draws from so many of its spreads; 1: itself, to the letter of its recipe."""
    if spreads == 1:
        return settings
    config = planner_config(settings)
    std = [spread * spreads for spread in config.std_init]
    return settings.with_planner({"std_init": std, "std_min": config.std_min * spreads})


def planner_config(settings: Settings) -> PlannerConfig:
    """The options of its planner."""
    config: PlannerConfig = read_config(
        config_of(target(Planner, settings.planner, "planner")), settings.planner, "planner"
    )
    return config
