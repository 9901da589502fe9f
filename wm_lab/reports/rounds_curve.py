"""The figure of rounds of data: what was earned over environment steps, beside what others published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wm_lab.reports import style
from wm_lab.reports.style import BLUE, INK, QUIET, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rounds_curve(rounds: Sequence[Mapping[str, Any]], published: Sequence[tuple[str, int, float]] = ()) -> Figure:
    """Mean return of each round as it was collected, from its least to its most, and of the tests between rounds.

    rounds: as `rounds_numbers` has them; published: of each method its name, environment steps and return
    """
    with style.style():
        figure = style.new_figure(6.8, 3.0)
        axes = figure.subplots()
        steps = [each["environment_steps"] for each in rounds]
        low, high = ([each[bound] for each in rounds] for bound in ("least", "most"))
        axes.fill_between(steps, low, high, color=BLUE, alpha=0.15, lw=0)
        means = [each["episode_return"] for each in rounds]
        axes.plot(steps, means, color=BLUE, lw=1.3, marker=".", ms=4, label="while collecting")
        tested = [(at, each["tested"]) for at, each in zip(steps, rounds, strict=True) if each["tested"]]
        if tested:
            places, found = zip(*tested, strict=True)
            below = [test["value"] - test["low"] for test in found]
            above = [test["high"] - test["value"] for test in found]
            values = [test["value"] for test in found]
            axes.errorbar(places, values, (below, above), color=VERMILION, lw=1.3, marker="o", ms=4, label="test")
        for name, at, earned in published:
            axes.plot(at, earned, marker="D", ms=5, color=INK)
            axes.annotate(name, (at, earned), xytext=(0, -12), textcoords="offset points", ha="center", color=QUIET)
        if published:
            axes.set_xscale("log")
        axes.set_xlabel("environment steps")
        axes.set_title("Return of an episode")
        axes.legend(loc="best")
    return figure
