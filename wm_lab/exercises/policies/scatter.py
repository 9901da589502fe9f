"""The figure: imagined against true success, a panel each world and a mark each policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wm_lab.evaluation.interval import Interval
from wm_lab.reports import style
from wm_lab.reports.style import QUIET

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Panel = tuple[str, list[str], list[tuple[Interval, Interval]]]
"""A world, its policies, and the true and the imagined success of each."""

MARKS = "osD^vP"


def scatter(panels: Sequence[Panel]) -> Figure:
    """On the dashed line imagination says what is true; what lies above it is overrated."""
    names = panels[0][1]
    shade = style.colours(names, {})
    with style.style():
        figure = style.new_figure(2.6 * len(panels) + 1.7, 2.9)
        grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (world, _, rates) in zip(grid, panels, strict=True):
            axes.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls=(0, (4, 3)))
            for number, (name, (true, imagined)) in enumerate(zip(names, rates, strict=True)):
                reach = [[[one.value - one.low], [one.high - one.value]] for one in (true, imagined)]
                axes.errorbar(
                    true.value,
                    imagined.value,
                    xerr=reach[0],
                    yerr=reach[1],
                    fmt=MARKS[number % len(MARKS)],
                    color=shade[name],
                    ms=5,
                    mec="white",
                    mew=0.6,
                    elinewidth=0.9,
                    label=name,
                )
            axes.set_xlim(-0.04, 1.04)
            axes.set_ylim(-0.04, 1.04)
            axes.set_aspect("equal")
            axes.set_title(world)
            axes.set_xlabel("true success")
        grid[0].set_ylabel("imagined success")
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=7)
    return figure
