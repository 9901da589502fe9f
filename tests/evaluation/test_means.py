"""Means over episodes against scipy, closed forms and coverage on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wm_lab.evaluation.aggregates import student
from wm_lab.evaluation.means import mean, paired_difference, skewed_bounds


def test_the_interval_of_many_episodes_agrees_with_scipys_bootstrap():
    x = np.random.default_rng(0).gamma(2.0, size=400)
    found = mean(x)
    theirs = stats.bootstrap((x,), np.mean, method="BCa", n_resamples=20_000, rng=1).confidence_interval
    width = found.high - found.low
    assert found.value == pytest.approx(x.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.05 * width)


def test_numbers_that_lie_evenly_have_students_interval():
    x = np.linspace(-3, 5, 12)
    assert mean(x) == pytest.approx(student(x))
    assert mean([7.0, 7.0, 7.0]) == (7, 7, 7, 3)


def test_the_interval_of_skewed_numbers_reaches_further_to_where_they_are_rare():
    found = mean(np.random.default_rng(0).exponential(size=30))
    assert found.high - found.value > 1.3 * (found.value - found.low)


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda rng, n: rng.normal(size=n), 0.0),
        (lambda rng, n: rng.exponential(size=n), 1.0),
        (lambda rng, n: np.exp(0.5 * rng.normal(size=n)), np.exp(0.125)),
        (lambda rng, n: rng.random(n), 0.5),
    ],
    ids=["normal", "exponential", "log-normal", "uniform"],
)
@pytest.mark.parametrize("n", [20, 100])
def test_means_are_covered_as_often_as_is_said_however_skewed(draw, truth, n):
    """A percentile bootstrap covers 0.91 to 0.93 of the skewed ones."""
    low, high = skewed_bounds(*(lambda x: (x.mean(0), x))(draw(np.random.default_rng(1), (n, 4000))))
    assert 0.935 <= np.mean((low <= truth) & (truth <= high)) <= 0.98


def test_pairing_removes_what_both_arms_share():
    rng = np.random.default_rng(0)
    luck = 10 * rng.normal(size=100)
    a, b = luck + 1 + rng.normal(size=100), luck + rng.normal(size=100)
    found = paired_difference(a, b)
    assert found.positive
    assert found.high - found.low < 0.2 * (mean(a).high - mean(a).low)
    with pytest.raises(ValueError, match="same episodes"):
        paired_difference(a, b[:50])


def test_episodes_without_a_value_only_make_n_smaller():
    assert mean([1.0, np.nan, 3.0]).n == 2
    assert np.isnan(mean([np.nan]).value)
    assert mean([4.0]) == (-np.inf, 4, np.inf, 1)
