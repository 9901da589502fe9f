"""Before the test, advised planning and the clone that advises it play validation episodes; one of them goes on.

A model cannot tell from within how far it is to be trusted against its proposal policy: the plans predicted best are
those that it overrates most. Trying can tell. The episodes are a validation set: their starts are nobody's data and
nobody's test, and all that is learnt from them is which of the two plays on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.experiment.arms import Arm, CloneArm, PlanningArm
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.run_settings import Settings
from wm_lab.reports.tables import Table, blank_repeats

ADVISED = "mpc_bc"
"""The arm that plans with the proposals of a clone, and what goes by its name once a policy was selected."""

WORDS = {"bc": "the clone", ADVISED: "planning"}
FATE = {"bc": "follows the clone", ADVISED: "plans"}


@dataclass(frozen=True)
class PolicySelection:
    """What each candidate did in the validation episodes, {name: outcomes}; of equals the first is preferred."""

    outcomes: dict[str, Outcomes]

    @property
    def chosen(self) -> str:
        """Who solved the most episodes; of equals, who earned more; of equals still, the clone, which thinks less."""
        return max(self.outcomes, key=self._merit)  # the first of equals

    @property
    def seed(self) -> int:
        """Of the training that it was made for."""
        return next(iter(self.outcomes.values())).seed

    def told(self) -> str:
        """`planning 11 of 24, the clone 19 of 24: mpc_bc follows the clone`; returns where they decided."""
        parts = [f"{WORDS[name]} {self._told(name)}" for name in reversed(self.outcomes)]
        return f"{', '.join(parts)}: {ADVISED} {FATE[self.chosen]}"

    def numbers(self) -> dict[str, Any]:
        """JSON-ready."""
        merits = {name: self._merit(name) for name in self.outcomes}
        manifest = next(iter(self.outcomes.values())).manifest
        return {
            "seed": self.seed,
            "manifest": manifest.hash,
            "episodes": len(manifest),
            "solved": {name: solved for name, (solved, _) in merits.items()},
            "returns": {name: earned for name, (_, earned) in merits.items()},
            "chosen": self.chosen,
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Seed, candidate, episodes solved, return, episodes, and who plays on."""
        rows: list[tuple[str, ...]] = []
        for name, outcomes in self.outcomes.items():
            solved, earned = self._merit(name)
            role = f"plays on as {ADVISED}" if name == self.chosen else ""
            told = (str(solved), f"{earned:.2f}", str(len(outcomes.manifest)), role)
            rows.append((str(self.seed), WORDS[name], *told))
        return rows

    def _merit(self, name: str) -> tuple[int, float]:
        """Episodes solved, and mean return."""
        outcomes = self.outcomes[name]
        return int(outcomes.success.sum()), float(outcomes.episode_return.mean())

    def _told(self, name: str) -> str:
        solved, earned = self._merit(name)
        episodes = len(self.outcomes[name].manifest)
        equal = len({self._merit(each)[0] for each in self.outcomes}) == 1
        return f"{solved} of {episodes}" + (f" (return {earned:.3g})" if equal else "")


def selection_verdict(selections: Sequence[PolicySelection]) -> str:
    """What came of it, in each training."""
    if len(selections) == 1:
        return f"policy selection: {selections[0].told()}."
    return f"policy selection: {'; '.join(f'seed {selection.seed}, {selection.told()}' for selection in selections)}."


def selection_table(selections: Sequence[PolicySelection]) -> Table:
    rows = [row for selection in selections for row in selection.rows()]
    caption = "On starts that are neither anybody's data nor the test's."
    columns = ("seed", "", "solved", "return", "n", "chosen")
    starts = list(range(2, len(rows), 2))
    return Table("Policy selection", columns, blank_repeats(rows), frozenset({"", "chosen"}), caption, starts)


def select_policy(experiment: Experiment, episodes: int, play_on: int | None) -> PolicySelection:
    """Both candidates in the same validation episodes, under the terms of the test (`play_on` as there)."""
    starts = experiment.data.validation_manifest(episodes)
    arms = _candidates(experiment, experiment.settings.without_variation())
    called = {arm.name: replace(arm, name=f"{arm.name} in validation") for arm in arms}
    return PolicySelection({name: experiment.evaluations.play(arm, starts, play_on) for name, arm in called.items()})


def advised_arm(experiment: Experiment, episodes: int, play_on: int | None) -> Arm:
    """The arm `mpc_bc` after so many validation episodes; after none, it plans.

    Its recipe is the chosen one's, so that nothing is played twice.
    """
    chosen = select_policy(experiment, episodes, play_on).chosen if episodes else ADVISED
    arm = next(arm for arm in _candidates(experiment, experiment.settings) if arm.name == chosen)
    return replace(arm, name=ADVISED)


def _candidates(experiment: Experiment, settings: Settings) -> list[Arm]:
    clone = experiment.clones.checkpoint()
    return [
        CloneArm("bc", settings, clone),
        PlanningArm(ADVISED, settings, experiment.models.world_model(), proposals=clone),
    ]
