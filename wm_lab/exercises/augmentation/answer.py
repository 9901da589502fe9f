"""What augmentation did to clones, in tables, a figure and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wm_lab.evaluation.comparison import Difference, SuccessRow
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.table_cell import TableCell
from wm_lab.evaluation.verdicts import is_significant, planning_verdict
from wm_lab.exercises.augmentation.clone_arms import FILTERED, REAL, AugmentationArm
from wm_lab.reports import style
from wm_lab.reports.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION
from wm_lab.reports.tables import Table, counted, p_value, what_n_counts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    REAL: INK,
    "real_longer": GREY,
    "duplicated": "#b3b8c0",
    "dart": PURPLE,
    "state_noise": ORANGE,
    "imagined": SKY,
    FILTERED: BLUE,
    "simulated": GREEN,
    "untrained": VERMILION,
    "oracle": "#7b828e",
}

WORDS = {
    REAL: "real data alone",
    "imagined": "imagined data",
    FILTERED: "filtered imagined data",
    "simulated": "the same data from the true simulator",
    "untrained": "data from an untrained model",
    "oracle": "the oracle of more real demonstrations",
}
"""Arms that a verdict speaks of, the headline first."""

HEADLINES = (FILTERED, "imagined", "simulated", "oracle", "untrained")


def augmentation_table(
    clones: Sequence[AugmentationArm], rows: Mapping[str, SuccessRow], differences: Mapping[str, Difference]
) -> Table:
    """Every clone against the one of real data alone."""
    body = []
    for clone in clones:
        row, difference = rows[clone.name], differences.get(clone.name)
        gap = ("–", "–", "–")
        if difference is not None:
            says = (
                ("better" if difference.difference.positive else "worse")
                if is_significant(difference)
                else "cannot tell"
            )
            gap = (difference.difference.bounds(), p_value(difference.p_adjusted), says)
        n = counted(row.success.n, row.seeds)
        body.append((str(clone.count), clone.arm, _ratio(clone), row.success.bounds(), *gap, n))
    columns = ("N", "trained on", "ratio", "success", f"− {REAL}", "p (Holm)", "says", "n")
    caption = (
        "N: real demonstrations. 95 % intervals (Wilson; Tango for paired differences); p: McNemar's mid-p, or the "
        f"interval's over seeds; Holm over all rows. {what_n_counts(row.seeds for row in rows.values())}"
    )
    title = "Success of clones with N real demonstrations"
    return Table(title, columns, body, frozenset({"trained on", "says"}), caption, _groups(clones))


def provenance_table(clones: Sequence[AugmentationArm], collected: int) -> Table:
    """Where each clone's data came from, how they were labelled and what is wrong with them."""
    body = []
    for clone in clones:
        told = provenance(clone)
        kept = "–" if told["kept"] is None else f"{told['kept']:.2f}"
        errors = (told[name].bounds() for name in ("error_kept", "error_dropped"))
        body.append(
            (str(clone.count), clone.arm, _ratio(clone), clone.made, clone.labels, str(clone.labelled), kept, *errors)
        )
    columns = ("N", "trained on", "ratio", "beside the real", "labels", "actions", "passes", "error if so", "if not")
    caption = (
        f"The world model learnt from {collected} episodes of the mixture; clones see only what this table names. "
        "passes: share of segments that all filters let through, which alone are in `filtered` and `simulated`. "
        "error: of frames against the true simulator, in standard deviations. All of the first training seed."
    )
    left = frozenset({"trained on", "beside the real", "labels"})
    return Table("Where the data came from", columns, body, left, caption, _groups(clones))


def provenance(clone: AugmentationArm) -> dict[str, Any]:
    """A row of the table of provenance as numbers."""
    facts = clone.facts or {}
    errors = facts.get("true_error", {})
    nothing = {"low": None, "value": None, "high": None, "n": 0}
    return {
        "made": clone.made,
        "labels": clone.labels,
        "labelled": clone.labelled,
        "kept": facts.get("kept"),
        "passes": facts.get("passes"),
        "error_kept": Interval.from_dict(errors.get("kept", nothing)),
        "error_dropped": Interval.from_dict(errors.get("dropped", nothing)),
    }


def augmentation_verdicts(clones: Sequence[AugmentationArm], differences: Mapping[str, Difference]) -> list[str]:
    """One sentence for each arm that answers the question or bounds the answer, the headline first."""
    sentences = []
    for arm in HEADLINES:
        told = [
            replace(differences[clone.name], name=_when(clone), a=WORDS[arm], b=WORDS[REAL])
            for clone in clones
            if clone.arm == arm
        ]
        if told:
            sentences.append(planning_verdict(told, kind=""))
    return sentences or ["cannot tell: no arm of synthetic data was asked for."]


def success_curves(clones: Sequence[AugmentationArm], rows: Mapping[str, SuccessRow]) -> Figure:
    """Success against the number of real demonstrations, a line for each arm and ratio."""
    lines: dict[tuple[str, float | None], list[AugmentationArm]] = {}
    for clone in clones:
        lines.setdefault((clone.arm, clone.ratio), []).append(clone)
    synthetic_ratios = sorted({clone.ratio for clone in clones if clone.ratio is not None})
    counts = sorted({clone.count for clone in clones})
    with style.style():
        figure = style.new_figure(5.6, 3.4)
        axes = figure.subplots()
        # Side by side, so that intervals at one N do not hide one another.
        aside = np.geomspace(0.93, 1.08, max(2, len(lines)))
        for shift, ((arm, ratio), line) in zip(aside, lines.items(), strict=False):
            success = [rows[clone.name].success for clone in line]
            reach = [[s.value - s.low for s in success], [s.high - s.value for s in success]]
            faint = 1.0 if ratio is None else 0.4 + 0.6 * (synthetic_ratios.index(ratio) + 1) / len(synthetic_ratios)
            label = arm if ratio is None else f"{arm} ×{ratio:g}"
            x = [clone.count * shift for clone in line]
            values = [s.value for s in success]
            axes.errorbar(x, values, reach, color=COLOURS[arm], alpha=faint, lw=1.3, marker="o", ms=4, label=label)
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xticks([], minor=True)
        axes.set_xlim(counts[0] * 0.8, counts[-1] * 1.25)
        axes.set_ylim(-0.03, 1.03)
        axes.set_yticks(np.linspace(0, 1, 5), [f"{v:.0%}" for v in np.linspace(0, 1, 5)])
        axes.set_xlabel("real demonstrations")
        axes.set_title("Success of clones, 95 % intervals")
        figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _when(clone: AugmentationArm) -> str:
    ratio = "" if clone.ratio is None else f" ×{clone.ratio:g}"
    return f"{clone.count} demonstrations{ratio}"


def _ratio(clone: AugmentationArm) -> TableCell:
    return TableCell("–" if clone.ratio is None else f"×{clone.ratio:g}", {"": clone.ratio})


def _groups(clones: Sequence[AugmentationArm]) -> list[int]:
    """Rows at which another N begins."""
    return [i for i in range(1, len(clones)) if clones[i].count != clones[i - 1].count]
