"""Bootstrap intervals against scipy, closed forms and coverage on simulated data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wm_lab.evaluation.bootstrap import bootstrap_mean, hierarchical_mean, paired_difference, resample_counts
from wm_lab.evaluation.statistics import holm, iqm, iqm_interval, iqm_over_episodes, probability_of_improvement


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


def crossed(rng: np.random.Generator, seeds: int, episodes: int) -> np.ndarray:
    """Outcomes whose variance lies in the training seed, in the episode and between them; the true mean is 0."""
    return (
        0.3 * rng.normal(size=(seeds, 1))
        + 1.0 * rng.normal(size=(1, episodes))
        + 1.0 * rng.normal(size=(seeds, episodes))
    )


@pytest.mark.parametrize("seeds", [3, 5])
def test_seeds_and_episodes_together_cover_the_truth(seeds):
    rng = np.random.default_rng(2)
    found = [hierarchical_mean(crossed(rng, seeds, 60), resamples=400, seed=i) for i in range(300)]
    assert np.mean([i.low <= 0 <= i.high for i in found]) >= 0.93


def test_forgetting_that_seeds_differ_would_claim_too_much():
    rng = np.random.default_rng(2)
    pooled = [bootstrap_mean(crossed(rng, 3, 60).ravel(), resamples=400, seed=i) for i in range(300)]
    assert np.mean([i.low <= 0 <= i.high for i in pooled]) < 0.8


def test_episodes_shared_by_all_seeds_do_not_average_out():
    luck = np.random.default_rng(0).normal(size=(1, 80)).repeat(4, axis=0)  # all variance is the episode's
    shared, own = hierarchical_mean(luck), hierarchical_mean(luck, episodes_shared=False)
    # Seed weights drawn with replacement have sum of squares 1.75/4, so theory says sqrt(4/1.75) = 1.51.
    assert (shared.high - shared.low) / (own.high - own.low) == pytest.approx(1.51, rel=0.1)


def test_a_hierarchy_needs_two_seeds():
    with pytest.raises(ValueError, match="seeds >= 2"):
        hierarchical_mean(np.zeros((1, 10)))


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


def test_a_hundred_skewed_episodes_and_ten_seeds_on_five_tasks_are_covered_as_often_as_is_said():
    rng = np.random.default_rng(0)
    means = [bootstrap_mean(rng.gamma(2.0, size=100) - 2, resamples=1000) for _ in range(1000)]
    assert 0.93 <= np.mean([i.low <= 0 <= i.high for i in means]) <= 0.97
    tasks = np.linspace(-0.2, 0.2, 5)
    middles = [iqm_interval(rng.normal(size=(10, 5)) + tasks, resamples=500) for _ in range(1000)]
    assert 0.93 <= np.mean([i.low <= 0 <= i.high for i in middles]) <= 0.97


def test_one_seed_on_several_tasks_is_uncertain_by_its_episodes():
    flags = [np.arange(100) < solved for solved in (20, 40, 50, 60, 90)]
    found = iqm_over_episodes(flags)
    assert found.value == pytest.approx(iqm([0.2, 0.4, 0.5, 0.6, 0.9]))
    assert 0.05 < found.high - found.low < 0.2
    assert found.n == 5
