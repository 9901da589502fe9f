"""The figures that sum up many runs hold their level and agree with others' code."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wm_lab.evaluation.aggregates import (
    holm,
    iqm,
    iqm_interval,
    iqm_over_episodes,
    probability_of_improvement,
)


def coverage(intervals: list) -> float:
    return float(np.mean([i.low <= 0 <= i.high for i in intervals]))


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_middle_of_several_tasks_is_covered_as_often_as_is_said(seeds):
    rng, tasks = np.random.default_rng(0), np.linspace(-0.2, 0.2, 5)
    found = [iqm_interval(rng.normal(size=(seeds, 5)) + tasks) for _ in range(800)]
    assert 0.935 <= coverage(found) <= 0.985


def test_the_interquartile_mean_is_the_middle_half():
    assert iqm([0, 1, 2, 3, 4, 5, 6, 1000]) == pytest.approx(np.mean([2, 3, 4, 5]))
    for scores in np.random.default_rng(1).normal(size=(9, 13))[:, :5], np.arange(7.0), [0.3]:
        assert iqm(scores) == pytest.approx(stats.trim_mean(np.ravel(scores), 0.25))
    found = iqm_interval(np.random.default_rng(0).normal(size=(10, 6)))
    assert found.low < found.value < found.high
    assert found.n == 60


def test_iqm_strata_keep_tasks_apart():
    """Tasks of different difficulty and no spread among seeds: nothing is uncertain."""
    easy_and_hard = np.tile([0.1, 0.9], (5, 1))
    assert iqm_interval(easy_and_hard) == (0.5, 0.5, 0.5, 10)


def test_probability_of_improvement_is_mann_whitney_over_tasks():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, size=(7, 3)), rng.normal(size=(9, 3))
    expected = np.mean([stats.mannwhitneyu(a[:, k], b[:, k]).statistic / 63 for k in range(3)])
    assert probability_of_improvement(a, b) == pytest.approx(expected)
    assert probability_of_improvement(a, a) == 0.5


def test_holm_gives_the_textbook_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_holm_agrees_with_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    p = np.random.default_rng(0).uniform(0, 0.2, size=12)
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_one_seed_on_several_tasks_is_uncertain_by_its_episodes():
    flags = [np.arange(100) < solved for solved in (20, 40, 50, 60, 90)]
    found = iqm_over_episodes(flags)
    assert found.value == pytest.approx(iqm([0.2, 0.4, 0.5, 0.6, 0.9]))
    assert 0.05 < found.high - found.low < 0.2
    assert found.n == 5
