"""Bootstrap intervals against scipy, closed forms and coverage on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wm_lab.evaluation.bootstrap import bootstrap_mean, paired_difference, resample_counts


def test_the_interval_of_a_mean_agrees_with_scipy_and_the_normal_theory():
    x = np.random.default_rng(0).gamma(2.0, size=400)
    found = bootstrap_mean(x, resamples=20_000)
    theirs = stats.bootstrap((x,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    width = found.high - found.low
    assert found.value == pytest.approx(x.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.03 * width)
    assert width == pytest.approx(2 * 1.96 * x.std() / 20, rel=0.03)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    x = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(x, seed=3) == bootstrap_mean(x, seed=3) != bootstrap_mean(x, seed=4)


@pytest.mark.parametrize(("n", "least"), [(5, 0.89), (10, 0.925), (40, 0.93)])
def test_intervals_of_few_episodes_hold_their_level(n, least):
    """A plain percentile interval covers 0.83 at n=5 and 0.90 at n=10."""
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.normal(size=n), resamples=1000, seed=i) for i in range(500)]
    coverage = np.mean([i.low <= 0 <= i.high for i in intervals])
    assert least <= coverage <= 0.98


def test_pairing_removes_what_both_arms_share():
    rng = np.random.default_rng(0)
    luck = 10 * rng.normal(size=100)
    a, b = luck + 1 + rng.normal(size=100), luck + rng.normal(size=100)
    found = paired_difference(a, b)
    assert found.positive
    assert found.high - found.low < 0.2 * (bootstrap_mean(a).high - bootstrap_mean(a).low)
    with pytest.raises(ValueError, match="same episodes"):
        paired_difference(a, b[:50])


def test_episodes_without_a_value_only_make_n_smaller():
    assert bootstrap_mean([1.0, np.nan, 3.0]).n == 2
    assert np.isnan(bootstrap_mean([np.nan]).value)


def test_resampling_counts_are_draws_with_replacement():
    counts = resample_counts(50, 4000, seed=0)
    assert (counts.sum(1) == 50).all()
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.03)


def test_a_hundred_skewed_episodes_are_covered_as_often_as_is_said():
    rng = np.random.default_rng(0)
    means = [bootstrap_mean(rng.gamma(2.0, size=100) - 2, resamples=1000) for _ in range(1000)]
    assert 0.93 <= np.mean([i.low <= 0 <= i.high for i in means]) <= 0.97
