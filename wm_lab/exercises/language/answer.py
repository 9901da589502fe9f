"""What the arms of a policy that is told say together: the table, and whether it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.outcomes import Outcomes, stack
from wm_lab.evaluation.over_seeds import over_seeds, paired_test
from wm_lab.exercises.exercise import Answer
from wm_lab.reports.tables import Table, what_n_counts

ASIDE = 0.1
"""Success of what was asked, up to which a policy that was told something else counts as having left it alone."""

AS_WELL = 0.85
"""Times the success under the right sentence, from which it counts as doing another command as well."""


@dataclass
class Row:
    """One way to tell, in all trainings; `kinds` [E] says of which kind the command of each episode is."""

    kinds: np.ndarray
    outcomes: list[Outcomes] = field(default_factory=list)

    @property
    def success(self) -> np.ndarray:
        """[S, E] bool"""
        return stack(self.outcomes, "success")

    def rate(self, kind: str | None = None) -> Interval:
        """Of all episodes, or of those of one kind."""
        mine = np.ones(len(self.kinds), bool) if kind is None else self.kinds == kind
        if not mine.any():
            return Interval(float("nan"), float("nan"), float("nan"), 0)
        return over_seeds(self.success[:, mine])


def language_answer(rows: Mapping[str, Row], kinds: tuple[str, ...], task: str) -> Answer:
    """rows: {way to tell: what was played}; the first is told rightly."""
    right = next(iter(rows.values()))
    differences = {
        name: paired_test(row.success, right.success)[0]
        for name, row in rows.items()
        if row is not right and row.outcomes[0].manifest == right.outcomes[0].manifest
    }
    return Answer(
        verdicts=verdicts(rows, differences, task),
        numbers={
            "manifest": right.outcomes[0].manifest.hash,
            "success": {
                name: plain({kind: row.rate(kind) for kind in kinds} | {"all": row.rate()})
                for name, row in rows.items()
            },
            "against_right": {name: plain(difference) for name, difference in differences.items()},
        },
        tables=[_table(rows, kinds, differences)],
        outcomes={name: row.outcomes for name, row in rows.items() if name in differences or row is right},
    )


def verdicts(rows: Mapping[str, Row], differences: Mapping[str, Interval], task: str) -> list[str]:
    """Headline first."""
    right, another = rows["right"].rate(), rows["another"].rate()
    said = [f"{task}: told what is asked, the policy does it in {right.bounds()} of the episodes."]
    well = rows.get("another, as asked")
    if well is not None and not right.value:
        said[0] += " Whether it reads cannot be told: it never does what it is told."
    elif well is not None:
        share = well.rate().value / right.value
        reads = another.value <= ASIDE and share >= AS_WELL
        said[0] += (
            f" It {'reads' if reads else 'does not read well enough'}: told another command, it does that one in "
            f"{well.rate().bounds()} ({share:.2f} of its success), and what was asked in {another.bounds()}."
        )
    for name, how in {"held-out phrasing": "known words put together anew", "new words": "new words"}.items():
        if name in differences:
            said += [f"Told in {how}, its success changes by {differences[name].bounds()}."]
    if "nothing" in rows:
        said.append(f"Told nothing, it does what was asked in {rows['nothing'].rate().bounds()}.")
    return said


def _table(rows: Mapping[str, Row], kinds: tuple[str, ...], differences: Mapping[str, Interval]) -> Table:
    cells = []
    for name, row in rows.items():
        against = differences[name].bounds() if name in differences else "–"
        rates = [rate.bounds() if (rate := row.rate(kind)).n else "–" for kind in kinds]
        cells.append((name, *rates, row.rate().bounds(), against, str(len(row.kinds))))
    seeds = (len(row.outcomes) for row in rows.values())
    caption = (
        "Success of the command that is asked. The first rows are told differently in the same episodes; in those as "
        "asked, another command of the same scene is asked and told. 95 % intervals. " + what_n_counts(seeds)
    )
    columns = ("told", *kinds, "all", "against right", "n")
    return Table("Does it read the sentence?", columns, cells, frozenset({"told"}), caption)
