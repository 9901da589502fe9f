"""Intervals and tests for success rates against published values, closed forms and exact coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from wm_lab.evaluation import over_seeds
from wm_lab.evaluation import proportions as written
from wm_lab.evaluation.interval import LEVEL, Interval
from wm_lab.evaluation.proportions import (
    Discordance,
    mcnemar,
    tango_bounds,
    wilson,
)

Z = 1.959963984540054


def exact_coverage(n: int, p_a: float, p_b: float, continuity: bool) -> float:
    """Chance that the interval holds the truth, over every possible table of n pairs."""
    a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    a, b = a[a + b <= n], b[a + b <= n]
    chance = stats.multinomial.pmf(np.stack([a, b, n - a - b], 1), n, [p_a, p_b, 1 - p_a - p_b])
    low, high = tango_bounds(a, b, n, continuity=continuity)
    return float(chance[(low <= p_a - p_b) & (p_a - p_b <= high)].sum())


def test_wilson_gives_the_published_bounds():
    found = wilson(81, 263)  # Newcombe 1998, table I
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(29, 29).low == pytest.approx(0.8830, abs=5e-5)  # Wilson at n of n is n / (n + z^2)


@pytest.mark.parametrize("successes", [0, 1, 17, 49, 50])
def test_wilson_agrees_with_scipy(successes):
    theirs = stats.binomtest(successes, 50).proportion_ci(method="wilson")
    ours = wilson(successes, 50)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_hundred_successes_of_a_hundred_are_still_uncertain():
    assert str(wilson(100, 100)) == "1.00 [0.96, 1.00] (n=100)"
    assert str(wilson(0, 100)) == "0.00 [0.00, 0.04] (n=100)"
    assert np.isnan(wilson(0, 0).value)


@pytest.mark.parametrize(("only_a", "only_b", "n"), [(9, 3, 44), (0, 0, 50), (12, 2, 54), (1, 7, 21), (30, 0, 30)])
def test_tango_bounds_are_where_the_score_statistic_reaches_z(only_a, only_b, n):
    """The constrained likelihood is maximised numerically here, and in closed form there."""

    def statistic(delta: float) -> float:
        def unlikely(p_b: float) -> float:
            cells = np.array([p_b + delta, p_b, 1 - 2 * p_b - delta])
            return -float(np.sum([only_a, only_b, n - only_a - only_b] * np.log(np.maximum(cells, 1e-300))))

        bounds = max(0.0, -delta), (1 - delta) / 2
        p_b = optimize.minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        return (only_a - only_b - n * delta) / np.sqrt(n * (2 * p_b + delta * (1 - delta)))

    low, high = (float(bound) for bound in tango_bounds(only_a, only_b, n, continuity=False))
    assert statistic(low) == pytest.approx(Z, abs=1e-3)
    if high < 1 - 1e-6:
        assert statistic(high) == pytest.approx(-Z, abs=1e-3)


def test_two_arms_that_never_disagree_may_still_differ():
    low, high = tango_bounds(0, 0, 50)
    assert 0.07 < high == pytest.approx(-low)


@pytest.mark.parametrize(("n", "p_a", "p_b"), [(30, 0.2, 0.2), (50, 0.1, 0.1), (50, 0.3, 0.1), (100, 0.3, 0.2)])
def test_the_paired_interval_covers_the_truth_in_95_percent_of_all_tables(n, p_a, p_b):
    assert 0.945 <= exact_coverage(n, p_a, p_b, continuity=True) <= 0.975


def test_coverage_without_the_continuity_correction_is_near_nominal_but_not_guaranteed():
    assert exact_coverage(50, 0.2, 0.2, continuity=False) == pytest.approx(0.95, abs=0.01)
    assert exact_coverage(50, 0.5, 0.02, continuity=False) < 0.95


def test_an_interval_without_zero_always_agrees_with_the_test():
    for disagreements in range(1, 100):
        only_a = np.arange(disagreements + 1)
        low, high = tango_bounds(only_a, disagreements - only_a, 200)
        for a in only_a[(low > 0) | (high < 0)]:
            assert mcnemar(Discordance(int(a), disagreements - int(a), 200)) < 0.05


def test_swapping_the_arms_mirrors_the_interval():
    ab, ba = tango_bounds(9, 3, 44), tango_bounds(3, 9, 44)
    assert (ab[0], ab[1]) == pytest.approx((-ba[1], -ba[0]), abs=1e-12)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (6, 0), (1, 9), (12, 15)])
def test_mcnemar_is_a_two_sided_sign_test_in_which_the_outcome_itself_counts_half(only_a, only_b):
    tosses = only_a + only_b
    exact = stats.binomtest(only_a, tosses).pvalue if tosses else 1.0
    expected = exact - stats.binom.pmf(only_a, tosses, 0.5) if tosses else 1.0
    assert mcnemar(Discordance(only_a, only_b, 50)) == pytest.approx(expected)


def test_statsmodels_agrees():
    table = pytest.importorskip("statsmodels.stats.contingency_tables")
    exact = table.mcnemar([[20, 9], [3, 12]], exact=True).pvalue
    assert mcnemar(Discordance(9, 3, 44)) == pytest.approx(exact - stats.binom.pmf(3, 12, 0.5))


def test_an_interval_prints_as_many_decimals_as_it_knows():
    assert str(Interval(0.85, 0.92, 0.96, 100)) == "0.92 [0.85, 0.96] (n=100)"
    assert Interval(0.00123, 0.00131, 0.00142, 9).bounds() == "0.0013 [0.0012, 0.0014]"
    assert Interval(101.2, 123.4, 140.9, 9).bounds() == "123 [101, 141]"
    assert Interval(58.922616069156353, 58.92261606915536, 58.92261606915536, 9).bounds() == "58.92 [58.92, 58.92]"
    nan = Interval.from_dict(Interval(float("nan"), float("nan"), float("nan"), 0).to_dict())
    assert nan.bounds() == "–"


def test_the_normals_quantiles_that_are_written_down_are_scipys():
    assert written.Z == over_seeds.LEAST_OF_FEW == special.ndtri((1 + LEVEL) / 2)
    assert special.ndtri(0.9) == over_seeds.LEAST
