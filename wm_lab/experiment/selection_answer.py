"""What came of validation episodes: which clone was chosen, which candidate plays the test as the arm `selected`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from wm_lab.evaluation.against_clone import CLONE
from wm_lab.experiment.arms import Arm
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.policy_selection import (
    ADVISED,
    LOCAL,
    LOCAL_VALUED,
    NEARBY,
    WIDE,
    WIDEST,
    PolicySelection,
    candidates,
)
from wm_lab.experiment.race import Race, run_races
from wm_lab.experiment.run_settings import Settings
from wm_lab.reports.tables import Table, blank_repeats

SELECTED = "selected"
"""The arm of the test that is whoever was selected."""

WORDS = {
    CLONE: "the clone",
    LOCAL: "local planning",
    NEARBY: "local planning, half as far",
    WIDE: "careful local planning, twice as far",
    WIDEST: "careful local planning, four times as far",
    LOCAL_VALUED: "local planning with a value",
    ADVISED: "whole-box planning",
}


class Validation(NamedTuple):
    """How a policy is selected; `local`, `advised`: see `candidates`."""

    episodes: int  # of a round
    rounds: int  # at most so many
    play_on: int | None
    local: bool
    advised: bool

    def check(self, experiment: Experiment) -> None:
        """UserError where data were recorded on these starts."""
        experiment.data.validation_manifest(self.episodes * self.rounds)

    def select(self, trainings: Sequence[Experiment]) -> list[PolicySelection]:
        """The candidates of each training in validation episodes, in which nothing varies."""
        return run_races([self._race(each) for each in trainings])

    def selected_arm(self, experiment: Experiment) -> Arm:
        """The arm `selected` of the test. Its recipe is the chosen one's, so that nothing is played twice."""
        chosen = self.select([experiment])[0].chosen
        arms = self._candidates(experiment, experiment.settings)
        return replace(next(arm for arm in arms if arm.name == chosen), name=SELECTED)

    def _race(self, experiment: Experiment) -> Race:
        arms = self._candidates(experiment, experiment.settings.without_variation())
        offsets = range(0, self.rounds * self.episodes, self.episodes)
        rounds = [experiment.data.validation_manifest(self.episodes, offset) for offset in offsets]
        return Race(arms, experiment.evaluations, rounds, self.play_on)

    def _candidates(self, experiment: Experiment, settings: Settings) -> list[Arm]:
        clone, model, value = experiment.clones.checkpoint(), experiment.models.world_model(), experiment.models.value()
        error = experiment.score_error() if self.local else None
        return candidates(settings, clone, model, value, error, local=self.local, advised=self.advised)


def selection_verdict(selections: Sequence[PolicySelection]) -> str:
    """What came of it in one training, or who was selected in how many of several; their table holds the rest.

    `policy selection: local planning 21 of 24, the clone 19, whole-box planning 11: local planning is selected.`
    `policy selection: of 5 trainings, on 24 validation episodes each, 4 select local planning and 1 the clone.`
    """
    if len(selections) == 1:
        return f"policy selection: {_told(selections[0])}."
    counts = Counter(WORDS[selection.chosen] for selection in selections).most_common()
    (best, times), *others = counts
    parts = [f"{times} select{'s' if times == 1 else ''} {best}", *(f"{number} {name}" for name, number in others)]
    told = f"{', '.join(parts[:-1])} and {parts[-1]}" if others else parts[0]
    episodes = sorted({len(selection.manifest) for selection in selections})
    each = f"{episodes[0]} to {episodes[-1]}" if len(episodes) > 1 else str(episodes[0])
    return f"policy selection: of {len(selections)} trainings, on {each} validation episodes each, {told}."


def selection_numbers(selection: PolicySelection) -> dict[str, Any]:
    """JSON-ready."""
    merits = selection.merits
    return {
        "seed": selection.seed,
        "manifest": selection.manifest.hash,
        "episodes": {name: len(outcomes.manifest) for name, outcomes in selection.outcomes.items()},
        "solved": {name: merit.solved for name, merit in merits.items()},
        "still_there": {name: merit.still_there for name, merit in merits.items()},
        "steps": {name: -merit.saved for name, merit in merits.items()},
        "returns": {name: merit.earned for name, merit in merits.items()},
        "chosen": selection.chosen,
    }


def selection_table(selections: Sequence[PolicySelection]) -> Table:
    """Every candidate of every training, and who plays on."""
    told = "Who played fewer episodes than others was clearly behind, and fell out of the race."
    return _table("Policy selection", selections, f"plays on as {SELECTED}", told)


def clone_choice_table(choices: Sequence[PolicySelection]) -> Table:
    """Every variant of the clone that every training tried; the first that solves all is the last that is tried."""
    return _table("Choice of the clone", choices, "plays on")


def _table(title: str, selections: Sequence[PolicySelection], role: str, told: str = "") -> Table:
    rows = [row for selection in selections for row in _rows(selection, role)]
    caption = (
        "On starts that are neither anybody's data nor the test's. Of equals in one column the next decides. Steps: a "
        f"failure counts as the whole budget. {told}"
    ).rstrip()
    columns = ("seed", "", "solved", "still there", "steps", "return", "n", "chosen")
    starts = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    return Table(title, columns, blank_repeats(rows), frozenset({"", "chosen"}), caption, starts)


def _told(selection: PolicySelection) -> str:
    merits, chosen = selection.merits, selection.chosen
    episodes = {name: len(outcomes.manifest) for name, outcomes in selection.outcomes.items()}
    order = sorted(merits, key=lambda name: (episodes[name], merits[name]), reverse=True)
    equals = {name for name in selection.finalists if merits[name].solved == merits[chosen].solved}
    parts: list[str] = []
    for before, name in zip([None, *order], order, strict=False):
        merit = merits[name]
        told = f"{WORDS[name]} {merit.solved}"
        if before is None or episodes[before] != episodes[name]:
            told += f" of {episodes[name]}"
        if len(equals) > 1 and name in equals:
            told += f" (still there {merit.still_there}, {-merit.saved:.1f} steps, return {merit.earned:.3g})"
        parts.append(told)
    return f"{', '.join(parts)}: {WORDS[chosen]} is selected"


def _rows(selection: PolicySelection, chosen_role: str) -> list[tuple[str, ...]]:
    """Seed, candidate, how it did, episodes, and who plays on."""
    rows: list[tuple[str, ...]] = []
    for name, merit in selection.merits.items():
        role = chosen_role if name == selection.chosen else ""
        told = (str(merit.solved), str(merit.still_there), f"{-merit.saved:.1f}", f"{merit.earned:.2f}")
        episodes = len(selection.outcomes[name].manifest)
        rows.append((str(selection.seed), WORDS.get(name, name), *told, str(episodes), role))
    return rows
