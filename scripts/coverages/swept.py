"""Intervals that only a sweep's report has: over tasks, and over the runs of several seeds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from row import Rng, Row, holds, seeds_of
from scipy import special

from wm_lab.evaluation.aggregates import iqm, iqm_interval, iqm_over_episodes, student

SPREAD = 1.2
"""Between seeds, of log-odds."""

FEW = 0.25


def rows() -> Iterator[Row]:
    for seeds in (2, 3, 5):
        for tasks in (2, 3, 5, 8):
            yield Row("IQM over tasks", f"{tasks} tasks, {seeds_of(seeds)}", partial(_iqm, seeds, tasks))
    for tasks in (2, 3, 5, 8):
        yield Row("IQM over tasks of one seed", f"{tasks} tasks, 50 episodes", partial(_iqm_of_one, tasks), FEW)
    for seeds in (2, 3, 5):
        yield Row("error of runs on data of their own", seeds_of(seeds), partial(_runs, seeds))


def _iqm(seeds: int, tasks: int, rng: Rng, n: int) -> np.ndarray:
    odds = np.linspace(-1.5, 2.5, tasks)
    truth = iqm(special.expit(odds + SPREAD * rng.normal(size=(20_000, tasks))))
    rates = rng.binomial(100, special.expit(odds + SPREAD * rng.normal(size=(n, seeds, tasks)))) / 100
    return np.array([[found.low <= truth <= found.high for found in map(iqm_interval, rates)]])


def _iqm_of_one(tasks: int, rng: Rng, n: int) -> np.ndarray:
    """One training's rates differ from task to task; the truth is what it would solve of all episodes."""
    rates = np.linspace(0.1, 0.95, tasks)
    played = rng.random((n, tasks, 50)) < rates[:, None]
    found = [iqm_over_episodes(list(flags), resamples=500) for flags in played]
    return np.array([[one.low - 1e-9 <= iqm(rates) <= one.high + 1e-9 for one in found]])


def _runs(seeds: int, rng: Rng, n: int) -> np.ndarray:
    """Median errors of runs that collected, trained and judged each on its own."""
    found = [student(one) for one in np.exp(0.3 * rng.normal(size=(n, seeds)))]
    low, high = np.array([(one.low, one.high) for one in found]).T
    return holds((low, high), np.exp(0.3**2 / 2))[None]
