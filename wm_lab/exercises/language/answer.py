"""What the arms of a policy that is told say together: the table, and whether it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.outcomes import Outcomes, stack
from wm_lab.evaluation.over_seeds import over_seeds, paired_test
from wm_lab.exercises.exercise import Answer
from wm_lab.reports.tables import Table, what_n_counts

ASIDE = 0.1
"""Success of what was asked, up to which a policy that was told something else counts as having left it alone."""

AS_WELL = 0.85
"""Times the success under the right sentence, from which it counts as doing another command as well."""

NUMBERS = "number, no sentence"
"""The row of a clone that is told each command's number."""

CHANGED = {
    "held-out phrasing": "Told in known words put together anew, ",
    "new words": "Told in new words, ",
    NUMBERS: "A clone that is told the command's number instead of a sentence: ",
}
"""{row: how a sentence of its difference begins}"""

ALIKE = 0.05
"""Success by which another phrasing may change what is done and still count as understood."""


@dataclass
class Row:
    """One way to tell, in all trainings; `kinds` [E] says of which kind the command of each episode is."""

    kinds: np.ndarray
    outcomes: list[Outcomes] = field(default_factory=list)
    paired: bool = True  # its episodes begin as those that are told rightly do, whatever is asked in them

    @property
    def success(self) -> np.ndarray:
        """[S, E] bool"""
        return stack(self.outcomes, "success")

    def rate(self, kind: str | None = None) -> Interval:
        """Of all episodes, or of those of one kind."""
        mine = np.ones(len(self.kinds), bool) if kind is None else self.kinds == kind
        return over_seeds(self.success[:, mine]) if mine.any() else undefined()


def language_answer(rows: Mapping[str, Row], kinds: tuple[str, ...], task: str) -> Answer:
    """rows: {way to tell: what was played}; the first is told rightly."""
    right = next(iter(rows.values()))
    differences = {
        name: paired_test(row.success, right.success)[0]
        for name, row in rows.items()
        if row is not right and row.paired
    }
    same = {name: row.outcomes for name, row in rows.items() if row.outcomes[0].manifest == right.outcomes[0].manifest}
    return Answer(
        verdicts=verdicts(rows, differences, kinds, task),
        numbers={
            "manifest": right.outcomes[0].manifest.hash,
            "success": {
                name: plain({kind: row.rate(kind) for kind in kinds} | {"all": row.rate()})
                for name, row in rows.items()
            },
            "against_right": {name: plain(difference) for name, difference in differences.items()},
        },
        tables=[_table(rows, kinds, differences)],
        outcomes=same,
    )


def verdicts(
    rows: Mapping[str, Row], differences: Mapping[str, Interval], kinds: tuple[str, ...], task: str
) -> list[str]:
    """Headline first."""
    right = rows["right"]
    said = [f"{task}: told what is asked, the policy does it in {right.rate().bounds()} of the episodes."]
    if not right.success.any():
        said[0] += " Whether it reads cannot be told: it never does what it is told."
    elif "another, as asked" in rows:
        said[0] += f" {_read(rows, 'another', np.ones(len(right.kinds), bool), 'another command')}"
    elif "another" in rows:
        said.append(f"Told another command, it does what was asked in {rows['another'].rate().bounds()}.")
    if len(kinds) > 1 and "contrast, as asked" in rows:
        said += _by_kind(rows, kinds)
    said += [f"{told}{_changes(differences[name])}." for name, told in CHANGED.items() if name in differences]
    if "nothing" in rows:
        said.append(f"Told nothing, it does what was asked in {rows['nothing'].rate().bounds()}.")
    return said


def _by_kind(rows: Mapping[str, Row], kinds: tuple[str, ...]) -> list[str]:
    """Each verb by its own episodes: the contrasting command has the same verb."""
    right, said = rows["right"], []
    for kind in kinds:
        mine = right.kinds == kind
        if right.success[:, mine].any():
            said.append(f"{kind}: {_read(rows, 'contrast', mine, 'another colour')}")
    return said


def _read(rows: Mapping[str, Row], told: str, mine: np.ndarray, what: str) -> str:
    """Whether a policy reads, by intervals: told something else, it leaves what was asked and does that as well.

    told: the row that is told otherwise, where what is told is `what`; mine: [E] the episodes that count
    """
    right, other, as_asked = (rows[name].success[:, mine] for name in ("right", told, f"{told}, as asked"))
    left, change = over_seeds(other), paired_test(other, right)[0]
    done, gap = over_seeds(as_asked), paired_test(as_asked, right)[0]
    lost = (AS_WELL - 1) * right.mean()
    reads = change.negative and left.high <= ASIDE and gap.low >= lost
    fails = change.low >= 0 or left.low > ASIDE or gap.high < lost
    headline = "It reads" if reads else "It does not read well enough" if fails else "Cannot tell whether it reads"
    return (
        f"{headline}: told {what}, it does that one in {done.bounds()} ({gap.bounds()} against what is asked), and "
        f"what was asked in {left.bounds()} ({change.bounds()})."
    )


def _changes(difference: Interval) -> str:
    if difference.within(ALIKE):
        return f"it does as well, within {ALIKE} ({difference.bounds()})"
    if difference.positive or difference.negative:
        return f"it does {'better' if difference.positive else 'worse'} ({difference.bounds()})"
    return f"cannot tell that it does better or worse ({difference.bounds()})"


def _table(rows: Mapping[str, Row], kinds: tuple[str, ...], differences: Mapping[str, Interval]) -> Table:
    cells = []
    for name, row in rows.items():
        against = differences[name].bounds() if name in differences else "–"
        rates = [rate.bounds() if (rate := row.rate(kind)).n else "–" for kind in kinds]
        cells.append((name, *rates, row.rate().bounds(), against, str(len(row.kinds))))
    seeds = (len(row.outcomes) for row in rows.values())
    caption = (
        "Success of the command that is asked. The first rows are told differently in the same episodes; in those as "
        "asked, another command of the same scene is asked and told. 95 % intervals; against right: paired by starts. "
        + what_n_counts(seeds)
    )
    columns = ("told", *kinds, "all", "against right", "n")
    return Table("Does it read the sentence?", columns, cells, frozenset({"told"}), caption)
