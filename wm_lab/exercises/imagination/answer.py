"""The answer of the imagination exercise in numbers, rows and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wm_lab.evaluation.assessment import LINEAR, MODEL, OVERALL, PERSISTENCE, RETOLD, SHUFFLED, Assessment
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.table_cell import TableCell
from wm_lab.reports.tables import Table, counted, what_n_counts

GROUPS = {"all": "all windows", "contact": "in contact", "free": "free motion"}
"""How groups of windows are called in tables."""

MARKS = (5, 10, 20)
"""Imagined steps that are spelt out."""

PLANNED = "planned"

VERDICT_STEP = 10
"""The imagined step at which the two distributions of actions are compared in a sentence."""

CONSTANT = "constant"
"""What stands for a number that would be divided by a baseline without error."""

CURVES = ("median", "median_low", "median_high", "p90", "mean", "mean_low", "mean_high")


def marks(horizon: int) -> list[int]:
    """The steps that are spelt out."""
    return [step for step in MARKS if step <= horizon] or [horizon]


def summary(assessments: Mapping[str, Assessment]) -> dict[str, Any]:
    """JSON-ready: errors and skill at the marks, and every horizon, of each group of windows and variable."""
    return {group: _group(assessment) for group, assessment in assessments.items()}


def curve_rows(assessments: Mapping[str, Assessment]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Columns and rows of a long table with the errors of everybody at every step."""
    rows = [
        (group, who, name, a.units[name], step + 1, *(float(getattr(curves, part)[step]) for part in CURVES))
        for group, a in assessments.items()
        for who, by_variable in a.curves.items()
        for name, curves in by_variable.items()
        for step in range(len(curves.median))
    ]
    return ("windows", "predictor", "variable", "unit", "step", *CURVES), rows


def imagination_tables(assessments: Mapping[str, Assessment]) -> list[Table]:
    """Errors and skill at the marks, and horizons: every variable of the first group, the decisive ones of the others.

    Three tables, because one would be wider than a terminal.
    """
    horizon = next(iter(assessments.values())).useful.limit
    steps = marks(horizon)
    counts = what_n_counts([a.trainings for a in assessments.values()])
    rows = [
        (GROUPS.get(group, group), name, a)
        for i, (group, a) in enumerate(assessments.items())
        for name in [OVERALL, *(v for v in a.units if v != OVERALL and (i == 0 or v in a.tolerances))]
    ]
    new = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    said = [(group if i == 0 or i in new else TableCell("", {"": group})) for i, (group, _, _) in enumerate(rows)]
    errors = Table(
        "Median error of imagined states",
        ("windows", "variable", "unit", *(f"at {step}" for step in steps), "n"),
        [
            (
                who,
                name,
                a.units[name],
                *(a.curves[MODEL][name].at(step, a.n(name)).bounds() for step in steps),
                _n(a, name),
            )
            for who, (_, name, a) in zip(said, rows, strict=True)
        ],
        frozenset({"windows", "variable", "unit"}),
        f"95 % intervals; overall: the whole state, in training standard deviations. {counts}",
        new,
    )
    told = all(RETOLD in a.skill for a in assessments.values())
    skills = Table(
        "How much better",
        (
            "windows",
            "variable",
            *(f"than at rest, at {step}" for step in steps),
            f"shuffled / true, at {steps[0]}",
            *([f"told otherwise / true, at {steps[0]}"] if told else []),
            "n",
        ),
        [
            (
                who,
                name,
                *(_than(a, name, a.skill[PERSISTENCE][name].at(step, a.n(name)).bounds()) for step in steps),
                *(
                    _than(a, name, a.skill[who][name].ratio_at(steps[0], a.n(name)).bounds())
                    for who in ((SHUFFLED, RETOLD) if told else (SHUFFLED,))
                ),
                _n(a, name),
            )
            for who, (_, name, a) in zip(said, rows, strict=True)
        ],
        frozenset({"windows", "variable"}),
        "1 − the model's summed error / that of persistence: 1 is perfect, 0 no better. The error under shuffled "
        f"actions{', or another sentence,' * told} / that under the true ones. Constant: it never moved, so nothing "
        f"can be saved or read. Each number's own 95 % interval. {counts}",
        new,
    )
    horizons = Table(
        "Steps for which imagination",
        ("windows", "variable", "beats persistence", "beats linear", "keeps tolerance", "reads actions", "n"),
        [
            (
                who,
                name,
                _than(a, name, a.beats[PERSISTENCE][name].bounds()),
                _than(a, name, a.beats[LINEAR][name].bounds()),
                a.tolerance[name].bounds() if name in a.tolerance else "–",
                _than(a, name, a.actions[name].bounds()),
                _n(a, name),
            )
            for who, (_, name, a) in zip(said, rows, strict=True)
        ],
        frozenset({"windows", "variable"}),
        f"95 % intervals, each variable's own; >{horizon}: to the end of what was imagined. Steps are asked in turn, "
        "and the first that fails ends them; reads actions: the last of all, whose lower bounds hold jointly. "
        f"{counts}",
        new,
    )
    return [errors, skills, horizons]


def sentence_verdict(a: Assessment) -> str:
    """Whether what is imagined depends on what the model is told; "" of a model that is told nothing."""
    if RETOLD not in a.skill:
        return ""
    step = marks(a.useful.limit)[0]
    ratio = a.skill[RETOLD][OVERALL].ratio_at(step, a.episodes)
    error = f"the error at step {step} is {ratio.bounds()} times that under its own (n={a.episodes} episodes)."
    if ratio.low > 1:
        return f"what it imagines depends on what it is told: under another episode's sentence {error}"
    return f"cannot tell that what it imagines depends on what it is told: under another episode's sentence {error}"


def ratio_table(ratios: Mapping[str, Sequence[Interval]], seeds: int = 0) -> Table:
    """How much larger the model's errors are on the planner's own sequences; `ratios` holds steps 1..H."""
    steps = marks(len(next(iter(ratios.values()))))
    rows = [
        (name, *(values[step - 1].bounds() for step in steps), counted(values[0].n, seeds))
        for name, values in ratios.items()
    ]
    caption = (
        "Summed error on planned sequences over that on held-out behaviour, same starts; 95 % intervals. "
        f"{what_n_counts([seeds])}"
    )
    columns = ("variable", *(f"at {step}" for step in steps), "n")
    return Table("Planned over recorded error", columns, rows, frozenset({"variable"}), caption)


def ratio_verdict(ratios: Sequence[Interval]) -> str:
    """Whether the planner leads where the model errs more than it does on behaviour like its data."""
    step = min(VERDICT_STEP, len(ratios))
    ratio = ratios[step - 1]
    what = f"on the planner's own sequences the error at step {step} is {ratio.bounds()} times that on recorded ones"
    if ratio.low > 1:
        return f"planning leads where the model errs more: {what} (n={ratio.n} episodes)."
    if ratio.high < 1:
        return f"planning leads where the model errs less: {what} (n={ratio.n} episodes)."
    return f"cannot tell that planning leads where the model errs more: {what} (n={ratio.n} episodes)."


def _than(a: Assessment, name: str, told: str) -> str:
    """What is told of a variable beside a baseline; of one that never moves, that, for no baseline errs there."""
    return CONSTANT if name in a.constant else told


def _n(a: Assessment, name: str) -> str:
    return counted(a.n(name), a.trainings)


def _group(a: Assessment) -> dict[str, Any]:
    model = a.curves[MODEL]
    steps = marks(a.useful.limit)
    return {
        "windows": a.windows,
        "episodes": a.episodes,
        "useful": plain(a.useful),
        "variables": {
            name: {
                "unit": a.units[name],
                "tolerance": a.tolerances.get(name),
                "median": {step: plain(model[name].at(step, a.n(name))) for step in steps},
                "p90": {step: float(model[name].p90[step - 1]) for step in steps},
                "baselines": {
                    who: {step: float(curves[name].median[step - 1]) for step in steps}
                    for who, curves in a.curves.items()
                    if who != MODEL
                },
                "skill": {
                    who: {step: plain(s[name].at(step, a.n(name))) for step in steps} for who, s in a.skill.items()
                },
                "H_skill": plain(a.beats[PERSISTENCE][name]),
                "H_lin": plain(a.beats[LINEAR][name]) if LINEAR in a.beats else None,  # there is none of images
                "H_tol": plain(a.tolerance[name]) if name in a.tolerance else None,
                "H_act": plain(a.actions[name]),
            }
            for name in a.units
        },
    }
