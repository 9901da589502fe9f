"""Which cheap number predicts which use? Over many models: rank correlation of what imagination tells with each use.

Imagination is cheap to judge, and playing is not. Where a number of `exercise=imagination` orders models as their
success in planning, in ranking policies or as a data engine does, the cheap number will do. Published for one metric
and one use, mean |Spearman| is between 0.16 and 0.86 by task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.policy_ranking import spearman
from wm_lab.reports import style
from wm_lab.reports.cells import SweepCell
from wm_lab.reports.runs import RunRecord
from wm_lab.reports.scorecard import FIRST, NONE, Numbers, asked_by_choice
from wm_lab.reports.style import BLUE, GREY, INK, QUIET, VERMILION
from wm_lab.reports.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 5
"""Models of a task, of which a correlation is told."""

NAN = float("nan")


MetricUse = Mapping[tuple[str, str], Interval]
"""{(metric, use): rank correlation over models}, of those that can be told"""


def metric_use(records: Sequence[RunRecord]) -> MetricUse:
    """Every metric with every use; empty where no task has enough models that were asked for both."""
    models: dict[str, list[tuple[dict[str, float], dict[str, float]]]] = {}
    for (task, _), asked in asked_by_choice(records).items():
        if "imagination" in asked:
            models.setdefault(task, []).append((metrics(asked["imagination"]), uses(asked)))
    found = {
        (metric, use): correlation([[(m.get(metric, NAN), u.get(use, NAN)) for m, u in its] for its in models.values()])
        for metric in METRICS
        for use in USES
    }
    return {key: one for key, one in found.items() if one is not None}


def metric_use_table(told: MetricUse) -> Table:
    """A row a metric, a column a use."""
    columns, rows = _uses(told), []
    for metric in METRICS:
        its = {use: one for (name, use), one in told.items() if name == metric}
        if its:
            cells = (its[use].bounds(2) if use in its else NONE for use in columns)
            rows.append((metric, *cells, _counts(its.values())))
    caption = (
        "Spearman's ρ over models of a task, mean over tasks; signs are turned so that more is better: a number that "
        f"predicts a use has a ρ near 1. Tasks with at least {LEAST} models. 95 % intervals over models. n: models. "
        + FIRST
    )
    return Table(
        "Which cheap number predicts which use", ("metric", *columns, "n"), rows, frozenset({"metric"}), caption
    )


def metric_use_figure(told: MetricUse) -> Figure:
    """A panel a use, a row a metric: ρ with its interval, in colour where that leaves zero out."""
    shown = [metric for metric in METRICS if any(key[0] == metric for key in told)]
    columns = _uses(told)
    with style.style():
        figure = style.new_figure(1.6 + 1.35 * len(columns), 0.9 + 0.24 * len(shown))
        panels = figure.subplots(1, len(columns), sharex=True, sharey=True, squeeze=False)[0]
        for axes, use in zip(panels, columns, strict=True):
            axes.axvline(0, color=QUIET, lw=0.8, zorder=1)
            for place, metric in enumerate(shown):
                if (one := told.get((metric, use))) is not None:
                    colour = BLUE if one.low > 0 else VERMILION if one.high < 0 else GREY
                    axes.plot([one.low, one.high], [place, place], color=colour, lw=1.4, zorder=2)
                    axes.plot(one.value, place, "o", color=colour, ms=4, zorder=3)
            axes.set_title(use)
            axes.set_xlim(-1.05, 1.05)
            axes.set_xticks([-1, 0, 1])
        panels[0].set_yticks(range(len(shown)), shown, color=INK)
        panels[0].invert_yaxis()
        figure.supxlabel("Spearman's ρ over models, mean over tasks", fontsize=9, color=QUIET)
    return figure


def _uses(told: MetricUse) -> list[str]:
    return [use for use in USES if any(key[1] == use for key in told)]


def correlation(tasks: Sequence[Sequence[tuple[float, float]]], seed: int = 0) -> Interval | None:
    """Of pairs (metric, use), a list each task: the mean over tasks of Spearman's ρ over its models.

    Pairs without a number are left out, and tasks where one of both is constant; None where no task remains.
    """
    known = [np.array([pair for pair in pairs if all(map(isfinite, pair))]) for pairs in tasks]
    large = [pairs for pairs in known if len(pairs) >= LEAST and not np.isnan(spearman(*pairs.T))]
    if not large:
        return None
    random = np.random.default_rng(seed)
    value = float(np.mean([spearman(*pairs.T) for pairs in large]))
    again = []
    for pairs in large:
        drawn = pairs[random.integers(len(pairs), size=(RESAMPLES, len(pairs)))]  # [R, models, 2]
        again.append(spearman(drawn[..., 0], drawn[..., 1]))
    found = np.stack(again)  # [tasks, R]
    means = np.nanmean(found[:, ~np.isnan(found).all(0)], 0)
    low, high = percentile_bounds(means, n=min(map(len, large)), strata=len(large))
    return Interval(min(float(low), value), value, max(float(high), value), sum(map(len, large)))


def metrics(numbers: Numbers) -> dict[str, float]:
    """What imagination tells of a model, the more the better."""
    cell = SweepCell("", "", imagined=[dict(numbers)])
    variable = numbers["held_out"]["all"]["variables"][cell.variable]
    return {name: read(variable) for name, read in METRICS.items()}


def uses(asked: Mapping[str, Numbers]) -> dict[str, float]:
    """What a model is good for, the more the better; NaN where it was not asked."""
    return {name: read(asked[exercise]) if exercise in asked else NAN for name, (exercise, read) in USES.items()}


def _error(step: str) -> Callable[[Numbers], float]:
    return lambda variable: -_value(variable["median"].get(step))


def _saved(baseline: str) -> Callable[[Numbers], float]:
    """1 − error / that of a baseline, at the last step that is spelt out."""

    def read(variable: Numbers) -> float:
        steps = variable["skill"].get(baseline) or {}
        return _value(list(steps.values())[-1]) if steps else NAN

    return read


def _horizon(name: str) -> Callable[[Numbers], float]:
    return lambda variable: _value(variable.get(name))


def _value(interval: Any) -> float:
    found = None if interval is None else interval["value"]
    return NAN if found is None else float(found)


def _of_arm(arm: str, measure: str, sign: float = 1.0) -> Callable[[Numbers], float]:
    def read(numbers: Numbers) -> float:
        rows = {row["arm"]: row for row in numbers["rows"]}
        return sign * _value(rows[arm][measure]) if arm in rows else NAN

    return read


def _ranking(measure: str, sign: float = 1.0) -> Callable[[Numbers], float]:
    return lambda numbers: sign * _value(numbers["ranking"]["model"][measure])


def _data(numbers: Numbers) -> float:
    """Mean gain of a clone from its filtered data, over all numbers of demonstrations."""
    gains = [_value(each["difference"]) for each in numbers["differences"] if each["name"].startswith("filtered_")]
    return float(np.mean(gains)) if gains else NAN


METRICS: dict[str, Callable[[Numbers], float]] = {
    "error at 5": _error("5"),
    "error at 10": _error("10"),
    "error at 20": _error("20"),
    "better than nothing moving": _saved("persistence"),
    "shuffled actions": _saved("shuffled"),
    "steps useful": _horizon("H_skill"),
    "steps better than linear": _horizon("H_lin"),
    "steps in tolerance": _horizon("H_tol"),
    "steps that read actions": _horizon("H_act"),
}
"""{name: how it is read of a variable}"""

USES: dict[str, tuple[str, Callable[[Numbers], float]]] = {
    "planner": ("planning", _of_arm("mpc", "success")),
    "its return": ("planning", _of_arm("mpc", "episode_return")),
    "near a clone": ("planning", _of_arm("local", "success")),
    "not exploited": ("planning", _of_arm("mpc", "predicted_minus_realised", -1.0)),
    "place to learn in": ("planning", _of_arm("actor", "success")),
    "ranks policies": ("policies", _ranking("spearman")),
    "few violations": ("policies", _ranking("mmrv", -1.0)),
    "agreement": ("policies", _ranking("agreement")),
    "data engine": ("augmentation", _data),
}
"""{name: (exercise, how it is read of its numbers)}"""


def _counts(found: Iterable[Interval]) -> str:
    """The fewest and the most models behind a row."""
    counts = sorted({one.n for one in found})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
