"""Error of imagination against imagined steps, a panel for each variable.

Returns a matplotlib Figure; `style.save` writes it. Matplotlib is imported only when one is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wm_lab.evaluation.assessment import MODEL, OVERALL, PERSISTENCE, Assessment, Curves
from wm_lab.evaluation.horizon import Horizon
from wm_lab.reports import style
from wm_lab.reports.style import BLUE, GREEN, INK, ORANGE, PURPLE, QUIET, SKY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREDICTORS = {
    MODEL: BLUE,
    PERSISTENCE: VERMILION,
    "constant_velocity": ORANGE,
    "linear": GREEN,
    "shuffled": PURPLE,
    "decoder_floor": SKY,
}
COLUMNS = 3
"""Panels in a row."""

MOST_DECADES = 1e5
"""Largest ratio between the ends of an error axis."""


def horizon_curves(assessment: Assessment, variables: Sequence[str] | None = None, title: str = "") -> Figure:
    """Median error against imagined steps, a panel each variable: the model with its band and p90, the baselines."""
    names = list(variables) if variables is not None else [OVERALL, *(n for n in assessment.units if n != OVERALL)]
    rows = -(-len(names) // COLUMNS)
    with style.style():
        across = min(COLUMNS, len(names))
        figure = style.new_figure(3.3 * across, 2.5 * rows + 0.65)
        grid = figure.subplots(rows, across, squeeze=False)
        for axes in grid.flat[len(names) :]:
            axes.remove()
        for axes, name in zip(grid.flat, names, strict=False):
            _horizon_panel(axes, assessment, name)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=-(-len(labels) // (2 if across < 3 else 1)), fontsize=8
        )
        figure.suptitle(title or _horizon_title(assessment), x=0.01, ha="left", fontsize=10)
    return figure


def _horizon_panel(axes: Axes, assessment: Assessment, name: str) -> None:
    curves = {who: by_variable[name] for who, by_variable in assessment.curves.items()}
    shade = style.colours(curves, PREDICTORS)
    steps = np.arange(1, len(curves[MODEL].median) + 1)
    for who, curve in curves.items():
        ours = who == MODEL
        axes.plot(
            steps,
            curve.median,
            color=shade[who],
            lw=2 if ours else 1.1,
            label=who.replace("_", " "),
            zorder=3 if ours else 2,
        )
        axes.fill_between(
            steps, curve.median_low, curve.median_high, color=shade[who], alpha=0.25 if ours else 0.1, lw=0
        )
        if ours:
            axes.plot(steps, curve.p90, color=shade[who], lw=1, ls=(0, (1, 1.5)), label="model, p90")
    anchors = [curves[MODEL].p90, curves[PERSISTENCE].median]  # persistence cannot diverge
    axes.set_ylim(*_error_range(list(curves.values()), anchors))
    axes.set_yscale("log")
    axes.minorticks_off()  # they take half of the time of drawing
    if name in assessment.tolerances:
        _tolerance_line(axes, assessment.tolerances[name], assessment.tolerance[name])
    elif name in assessment.constant:
        _note(axes, "constant")
    axes.set_title(f"{name}  [{assessment.units[name]}]")
    axes.set_xlim(1, steps[-1])
    axes.set_xticks([1, *(s for s in range(5, steps[-1] + 1, 5))] if steps[-1] >= 5 else list(steps))
    axes.set_xlabel("imagined steps")


def _error_range(curves: Sequence[Curves], anchors: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits of the error axis: a diverging baseline leaves through the top, a perfect one through the bottom."""
    positive = [curve.median[curve.median > 0] for curve in curves]
    top = 2 * max(float(a.max()) for a in anchors) or 1.0
    least = min((float(p.min()) for p in positive if p.size), default=top)
    return max(least / 1.5, top / MOST_DECADES), max(top, 10 * least / 1.5)


def _tolerance_line(axes: Axes, limit: float, horizon: Horizon) -> None:
    """The task's tolerance, and on it where half of the model's windows leave it, with its interval.

    One beyond the axis is told in words and by an arrow at that edge.
    """
    bottom, top = axes.get_ylim()
    kept = f"tolerance kept {horizon.bounds()}"
    if not bottom <= limit <= top:
        side, edge, arrow = ("above", 0.96, "^") if limit > top else ("below", 0.04, "v")
        axes.plot(
            max(horizon.value, 1), edge, arrow, color=INK, ms=6, transform=axes.get_xaxis_transform(), clip_on=False
        )
        _note(axes, f"{kept}, {side}")
        return
    axes.axhline(limit, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.plot([max(horizon.low, 1), max(horizon.high, 1)], [limit, limit], color=INK, lw=3, alpha=0.45, zorder=4)
    axes.plot(max(horizon.value, 1), limit, "o", color=INK, ms=5, mec="white", mew=0.8, zorder=5, clip_on=False)
    _note(axes, kept)


def _note(axes: Axes, words: str) -> None:
    """Beside the title of a panel."""
    axes.set_title(words, loc="right", fontsize=8, fontweight="normal", color=QUIET)


def _horizon_title(assessment: Assessment) -> str:
    where = {"all": "All windows", "contact": "Windows with contact", "free": "Windows in free motion"}
    group = where.get(assessment.group, assessment.group)
    return f"{group}: median error, 95 % band over {assessment.episodes} episodes ({assessment.windows} windows)"
