"""Intervals over training seeds and episodes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import special

from wm_lab.evaluation.over_seeds import (
    difference_bounds,
    mean_bounds,
    over_seeds,
    paired_test,
    rate_bounds,
)
from wm_lab.evaluation.proportions import tango_bounds, wilson

FLAGS = np.random.default_rng(0).random((2, 3, 60)) < 0.7


def test_one_seed_has_wilsons_and_tangos_intervals():
    a, b = FLAGS[:, :1]
    assert over_seeds(a) == wilson(int(a.sum()), a.size)
    apart = paired_test(a, b)[0]
    assert (apart.low, apart.high) == tango_bounds((a & ~b).sum(), (b & ~a).sum(), a.size)
    assert (apart.value, apart.n) == (pytest.approx(a.mean() - b.mean()), a.size)


def test_an_arm_without_training_seeds_meets_every_seed_of_the_other():
    a, b = FLAGS
    assert paired_test(a, b[:1]) == paired_test(a, np.repeat(b[:1], 3, axis=0))
    assert paired_test(a, b[:1])[0].value == pytest.approx(a.mean() - b[0].mean())
    assert paired_test(b[:1], a)[0].value == pytest.approx(b[0].mean() - a.mean())


def test_arms_are_paired_by_seed_and_episode_or_not_at_all():
    a, b = FLAGS
    with pytest.raises(ValueError, match="3 and 2 training seeds"):
        paired_test(a, b[:2])
    with pytest.raises(ValueError, match="same episodes"):
        paired_test(a, b[:, :50])


def rates(rng: np.random.Generator, trials: int, seeds: int, rate: float, spread: float, luck: float) -> np.ndarray:
    """Flags [trials, seeds, 100]: seeds and episodes shift the log-odds, whose mean over both is a rate of `rate`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    grid = np.linspace(-12, 12, 4001)
    means = special.expit(grid[:, None] + np.hypot(spread, luck) * nodes) @ (weights / weights.sum())
    centre = np.interp(rate, means, grid)
    odds = centre + spread * rng.normal(size=(trials, seeds, 1)) + luck * rng.normal(size=(trials, 1, 100))
    return rng.random((trials, seeds, 100)) < special.expit(odds)


def covered(bounds: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    low, high = bounds
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("rate", "spread"), [(0.64, 1.2), (0.8, 1.2), (0.9, 1.2), (0.5, 0.5)])
def test_rates_of_seeds_that_differ_as_clones_do_are_covered_as_often_as_is_said(seeds, rate, spread):
    """Student's interval over seeds and episodes covers 0.90 to 0.92 of them with three seeds at 0.8 and 0.9."""
    flags = rates(np.random.default_rng(3), 1500, seeds, rate, spread, 1.0)
    assert 0.935 <= covered(rate_bounds(flags), rate) <= 0.98


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(("others", "spread"), [(1, 1.2), (0, 1.2), (0, 0.5)])
def test_differences_of_arms_are_covered_with_seeds_on_one_side_or_on_both(seeds, others, spread):
    rng = np.random.default_rng(4)
    a = rates(rng, 1500, seeds, 0.64, spread, 1.0)
    b = rates(rng, 1500, 1 if others else seeds, 0.8, 0.0 if others else spread, 1.0)
    bounds = difference_bounds(*np.broadcast_arrays(a, b))
    assert 0.935 <= covered(bounds, 0.64 - 0.8) <= 0.98


def test_numbers_over_seeds_and_episodes_are_covered_too():
    rng = np.random.default_rng(5)
    for seeds in (2, 3, 5):
        for spread in (0.0, 0.2, 1.0):
            values = spread * rng.normal(size=(1500, seeds, 1)) + rng.normal(size=(1500, 1, 100))
            values = values + rng.normal(size=(1500, seeds, 100))
            assert 0.93 <= covered(mean_bounds(values), 0.0) <= 0.985


def test_under_the_null_one_claim_in_twenty_is_false_whether_or_not_seeds_matter():
    """Equal methods: of one seed each, a difference is significant in 3 % of experiments or in 40."""
    rng = np.random.default_rng(6)
    p = []
    for _ in range(150):
        arms = rates(rng, 2, 3, 0.64, 1.2, 1.0)
        p.append(paired_test(*arms)[1])
    assert np.mean(np.array(p) < 0.05) <= 0.08


def test_p_and_interval_say_the_same():
    rng = np.random.default_rng(7)
    for seeds in (1, 2, 5):
        for _ in range(25):
            shift = rng.choice([0.0, 0.1, 0.2])
            a, b = rng.random((seeds, 60)) < 0.5 + shift, rng.random((seeds, 60)) < 0.5
            for pair in ((a, b), (a + rng.normal(size=a.shape), b + rng.exponential(size=b.shape) - 1)):
                found, p = paired_test(*pair)
                if found.positive or found.negative:
                    assert p < 0.05 + 1e-6
                elif pair[0].dtype != bool:
                    assert p > 0.05 - 1e-6


def test_an_arm_that_wins_every_episode_of_every_seed_is_better_beyond_doubt():
    always = np.ones((3, 50), bool)
    (won, p), (lost, q) = paired_test(always, ~always), paired_test(~always, always)
    assert won.value == won.high == 1 and 0.9 < won.low < 1 and p == q < 1e-6
    assert (lost.low, lost.value, lost.high) == (-won.high, -won.value, -won.low)
    assert paired_test(always, always)[1] == 1


def test_intervals_stay_inside_what_can_be_and_hold_the_estimate():
    rng = np.random.default_rng(8)
    for rate in (0.0, 0.01, 0.5, 0.99, 1.0):
        for seeds in (1, 2, 5):
            flags = rng.random((seeds, 40)) < rate
            found = over_seeds(flags)
            assert 0 <= found.low <= found.value <= found.high <= 1 and found.high > found.low
            apart = paired_test(flags, rng.random((seeds, 40)) < 0.5)[0]
            assert -1 <= apart.low <= apart.value <= apart.high <= 1
    assert over_seeds(np.ones((5, 100), bool)) == wilson(100, 100), "five times the same hundred"
    assert over_seeds(FLAGS[0]) == over_seeds(FLAGS[0])


def test_episodes_without_a_number_are_left_out_and_those_of_many_seeds_weigh_more():
    steps = np.array([[10.0, np.nan, 20.0, np.nan], [14.0, 30.0, np.nan, np.nan]])
    found = over_seeds(steps)
    assert (found.value, found.n) == (18.5, 3) and found.low < 18.5 < found.high
    assert np.isnan(over_seeds(np.full((2, 3), np.nan)).value)


def test_a_table_of_many_arms_takes_no_time():
    rng, begin = np.random.default_rng(9), time.perf_counter()
    flags = rng.random((12, 5, 100)) < 0.7
    for arm in flags:
        over_seeds(arm), over_seeds(arm.astype(float)), paired_test(arm, flags[0])
    assert time.perf_counter() - begin < 1
