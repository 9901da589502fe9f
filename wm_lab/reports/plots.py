"""Figures of success: by task, after a nudge, against an option, against thinking time; and of errors against training.

Each function returns a matplotlib Figure; `style.save` writes it. Matplotlib is imported only when one is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wm_lab.evaluation.comparison import Difference, SuccessRow
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.nudges import split_name
from wm_lab.reports import style
from wm_lab.reports.style import BLUE, GREEN, INDIGO, INK, ORANGE, PURPLE, QUIET, SKY, TEAL, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from wm_lab.reports.cells import SweepCell

ARMS = {
    "mpc": BLUE,
    "mpc_cost": INDIGO,
    "bc": VERMILION,
    "local": PURPLE,
    "selected": ORANGE,
    "simulator": GREEN,
    "simulator_reward": TEAL,
    "expert": "#7b828e",
    "greedy": SKY,
    "random": "#b3b8c0",
    "noop": "#d9dce1",
}
SuccessCurves = Mapping[str, Mapping[str, Mapping[float, Interval]]]
"""{task: {arm: {number of an option: success}}}"""

COLUMNS = 3
"""Panels in a row."""

FOOT = 0.025
"""How far a bar reaches below zero, so that one of zero has its colour too."""

DODGE = 0.11
"""Between the arms of one place."""

WIDE = 6.0
"""Ratio of an axis's ends above which it is logarithmic."""


def success_bars(rows: Sequence[SuccessRow], title: str = "") -> Figure:
    """Success rates with intervals, grouped by task; the white tick is success at the end of the budget."""
    tasks, arms = list(dict.fromkeys(r.task for r in rows)), list(dict.fromkeys(r.arm for r in rows))
    shade = style.colours(arms, ARMS)
    width = 0.82 / len(arms)
    with style.style():
        figure = style.new_figure(max(6.4, 0.9 + 0.28 * len(tasks) * (len(arms) + 1)), 2.9)
        axes = figure.subplots()
        for row in rows:
            x = tasks.index(row.task) + (arms.index(row.arm) - (len(arms) - 1) / 2) * width
            axes.bar(
                x, row.success.value + FOOT, width * 0.9, bottom=-FOOT, color=shade[row.arm], label=row.arm, zorder=2
            )
            reach = [[row.success.value - row.success.low], [row.success.high - row.success.value]]
            axes.errorbar(x, row.success.value, reach, color=INK, lw=1, capsize=2, zorder=3)
            axes.plot([x - width * 0.38, x + width * 0.38], [row.at_end.value] * 2, color="white", lw=1.2, zorder=4)
        axes.set_xticks(range(len(tasks)), [_task_label(task, rows) for task in tasks], color=INK)
        axes.set_ylim(-FOOT, 1.03)
        axes.set_yticks(np.linspace(0, 1, 5), [f"{v:.0%}" for v in np.linspace(0, 1, 5)])
        axes.grid(axis="x", visible=False)
        axes.set_title(
            title
            or f"Success on {_counts(rows)} paired episodes a task, 95 % intervals\nwhite line: still so at the end"
        )
        _legend(figure, axes)
    return figure


def success_curves(option: str, curves: SuccessCurves) -> Figure:
    """Success against an option's numbers, a panel a task and a line an arm, with the band of its interval."""
    arms = list(dict.fromkeys(arm for by_arm in curves.values() for arm in by_arm))
    shade = style.colours(arms, ARMS)
    across = min(COLUMNS, len(curves))
    down = -(-len(curves) // across)
    with style.style():
        figure = style.new_figure(max(4.6, 3.1 * across), 2.3 * down + 0.7)
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat[len(curves) :]:
            axes.remove()
        for axes, (task, by_arm) in zip(grid.flat, curves.items(), strict=False):
            for arm, points in by_arm.items():
                _success_line(axes, points, shade[arm], arm)
            axes.set_ylim(-0.03, 1.05)
            axes.set_title(task)
            axes.set_xlabel(option)
            _number_axis(axes, sorted({place for points in by_arm.values() for place in points}))
        grid[0, 0].set_ylabel("success")
        handles = {
            label: handle
            for axes in figure.axes
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 6), fontsize=8
        )
    return figure


def nudged_success(differences: Sequence[Difference]) -> Figure:
    """Success undisturbed and after a nudge of each group of actions, a panel a task; see `nudge_differences`."""
    by_task = {d.name: [other for other in differences if other.name == d.name] for d in differences}
    arms = list(dict.fromkeys(d.b for d in differences))
    shade = style.colours(arms, ARMS)
    across = min(COLUMNS, len(by_task))
    down = -(-len(by_task) // across)
    with style.style():
        figure = style.new_figure(max(4.6, 3.4 * across), 2.3 * down + 0.7)
        grid = figure.subplots(down, across, squeeze=False, sharey=True)
        for axes in grid.flat[len(by_task) :]:
            axes.remove()
        for axes, (task, of_task) in zip(grid.flat, by_task.items(), strict=False):
            groups = list(dict.fromkeys(split_name(d.a)[1] for d in of_task))
            for place, arm in enumerate(arms):
                own = [d for d in of_task if d.b == arm]
                at = np.array([0, *(1 + groups.index(split_name(d.a)[1]) for d in own)])
                rates = [*(d.rate_b for d in own[:1]), *(d.rate_a for d in own)]
                _dots(axes, at + (place - (len(arms) - 1) / 2) * DODGE, rates, shade[arm], arm)
            axes.axvline(0.5, color=QUIET, lw=0.6)
            axes.set_xticks(range(len(groups) + 1), ["undisturbed", *map(_word, groups)], color=INK, fontsize=8)
            axes.set_xlim(-0.5, len(groups) + 0.5)
            axes.set_ylim(-0.03, 1.05)
            axes.grid(axis="x", visible=False)
            axes.set_title(task)
        for axes in grid[:, 0]:
            axes.set_ylabel("success")
        _legend(figure, grid[0, 0])
    return figure


def _success_line(axes: Axes, points: Mapping[float, Interval], colour: str, label: str) -> None:
    places = sorted(points)
    found = [points[place] for place in places]
    axes.plot(places, [one.value for one in found], "o-", color=colour, ms=4, lw=1.4, label=label, zorder=3)
    axes.fill_between(places, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.15, lw=0)


def _dots(axes: Axes, at: np.ndarray, rates: Sequence[Interval], colour: str, label: str) -> None:
    reach = np.array([[rate.value - rate.low, rate.high - rate.value] for rate in rates]).T
    values = [rate.value for rate in rates]
    axes.errorbar(at, values, reach, fmt="o", ms=4, lw=1, capsize=2, color=colour, label=label)


def _number_axis(axes: Axes, places: Sequence[float]) -> None:
    """Ticks at the numbers themselves; on a log scale where they span more than that shows well."""
    if places[0] > 0 and places[-1] > WIDE * places[0]:
        axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(places, [f"{place:g}" for place in places])


def success_latency(rows: Sequence[SuccessRow], title: str = "Success against thinking time") -> Figure:
    """Success rate against milliseconds per decision (log scale), one mark for each arm and task."""
    arms, tasks = list(dict.fromkeys(r.arm for r in rows)), list(dict.fromkeys(r.task for r in rows))
    shade = style.colours(arms, ARMS)
    marks = dict(zip(tasks, "os^Dv<>pP*X" * len(tasks), strict=False))
    with style.style():
        figure = style.new_figure(4.6, 3.1)
        axes = figure.subplots()
        for row in rows:
            reach = [[row.success.value - row.success.low], [row.success.high - row.success.value]]
            x = max(row.decision_ms, 1e-2)
            axes.errorbar(x, row.success.value, reach, color=shade[row.arm], lw=1, alpha=0.6)
            axes.plot(x, row.success.value, marks[row.task], color=shade[row.arm], ms=6, mec="white", mew=0.6)
        for arm in arms:
            axes.plot([], [], "o", color=shade[arm], label=arm)
        if len(tasks) > 1:
            for task in tasks:
                axes.plot([], [], marks[task], color=QUIET, mfc="none", label=task)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(-0.03, 1.05)
        axes.set_xlabel("milliseconds per decision")
        axes.set_ylabel("success")
        axes.set_title(title)
        _legend(figure, axes, right=True)
    return figure


def choice_latency(rows: Sequence[SuccessRow]) -> Figure:
    """Success against thinking time in a sweep: `arm` is a choice, its first word the colour, the rest the mark."""
    points = [(row.task, row.arm, row.decision_ms, row.success) for row in rows]
    return _choices(points, "milliseconds per decision", "success", {task: task for task, *_ in points})


def error_compute(cells: Sequence[SweepCell], step: int = 10) -> Figure:
    """Error of imagination at one step against seconds of training; `cells` are priced."""
    points, titles = [], {}
    for cell in cells:
        at = str(step) if str(step) in cell.error_at else list(cell.error_at)[-1]
        points.append((cell.task, cell.choice, cell.fact("seconds"), cell.error_at[at]))
        titles[cell.task] = f"{cell.task}: {cell.variable} at {at} steps"
    return _choices(points, "seconds of training", f"median error  [{cells[0].unit}]", titles)


def _choices(
    points: Sequence[tuple[str, str, float, Interval]], across: str, up: str, titles: Mapping[str, str]
) -> Figure:
    """Points (task, choice, x, interval), a panel each task, x on a log scale."""
    words = [choice.partition(" ")[::2] for _, choice, *_ in points]
    shade = style.colours(dict.fromkeys(first for first, _ in words), {})
    marks = dict(zip(dict.fromkeys(rest for _, rest in words), "os^Dv<>pP*X" * len(words), strict=False))
    from matplotlib.ticker import LogLocator

    with style.style():
        figure = style.new_figure(3.6 * len(titles) + 1.8, 3.2)
        for axes, (task, title) in zip(
            figure.subplots(1, len(titles), squeeze=False).flat, titles.items(), strict=True
        ):
            for (where, _, x, y), (first, rest) in zip(points, words, strict=True):
                if where == task:
                    axes.errorbar(
                        x, y.value, [[y.value - y.low], [y.high - y.value]], color=shade[first], lw=1, alpha=0.6
                    )
                    axes.plot(x, y.value, marks[rest], color=shade[first], ms=6, mec="white", mew=0.6)
            axes.set_title(title)
            axes.set_xlabel(across)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.minorticks_off()
            axes.margins(y=0.08)
            axes.set_ylim(bottom=0)
        axes.figure.axes[0].set_ylabel(up)
        for first, colour in shade.items():
            axes.plot([], [], "o", color=colour, label=first)
        for rest, mark in marks.items() if len(marks) > 1 else ():
            axes.plot([], [], mark, color=QUIET, mfc="none", label=rest or "–")
        _legend(figure, axes, right=True)
    return figure


def _legend(figure: Figure, axes: Axes, right: bool = False) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    labels, handles = list(unique), list(unique.values())
    if right:
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)
        return
    across = min(len(labels), max(3, round(figure.get_figwidth())), 7)  # names of about an inch
    for columns in range(across, 0, -1):  # and fewer where they are longer
        legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
        if legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _task_label(task: str, rows: Sequence[SuccessRow]) -> str:
    tags = next(row.tags for row in rows if row.task == task)
    return f"{task}\n{', '.join(tags)}"


def _counts(rows: Sequence[SuccessRow]) -> str:
    counts = sorted({row.success.n for row in rows})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def _word(name: str) -> str:
    return name.replace("_", " ")
