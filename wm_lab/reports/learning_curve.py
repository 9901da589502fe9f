"""The figure of a behaviour's training: what it earned awake, and what its dreams promised of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wm_lab.reports import style
from wm_lab.reports.style import BLUE, INK, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RETURN, IMAGINED, REALISED = "returns", "imagined", "realised"


def learning_curve(told: Mapping[str, Any]) -> Figure:
    """Means over the validation episodes against training steps, a line a training; a ring marks what was kept.

    told: {"trials": of each training [{"step", "returns", "imagined", "realised"}], "kept": [its step]}
    """
    with style.style():
        figure = style.new_figure(6.8, 2.8)
        left, right = figure.subplots(1, 2)
        for training, kept in zip(told["trials"], told["kept"], strict=True):
            steps = [tried["step"] for tried in training]
            at = steps.index(kept)
            _line(left, steps, training, RETURN, INK, at)
            _line(right, steps, training, IMAGINED, VERMILION, at)
            _line(right, steps, training, REALISED, BLUE, at)
        left.set_title("Return of whole episodes")
        right.set_title("Return of a dream's length")
        for axes in (left, right):
            axes.set_xlabel("training steps")
        handles, labels = right.get_legend_handles_labels()
        named = dict(zip(labels, handles, strict=True))
        right.legend(named.values(), named.keys(), fontsize=8)
    return figure


def _line(axes: Axes, steps: list[int], training: Sequence[Mapping[str, Any]], name: str, colour: str, at: int) -> None:
    """Of one training; `at` is what was kept."""
    means = [float(np.mean(tried[name])) for tried in training]
    axes.plot(steps, means, color=colour, lw=1.3, marker=".", ms=4, label=name)
    axes.plot(steps[at], means[at], marker="o", ms=8, mfc="none", mec=colour)
