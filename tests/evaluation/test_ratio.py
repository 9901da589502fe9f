"""Ratios of sums."""

from __future__ import annotations

import numpy as np
import pytest

from wm_lab.evaluation.bootstrap import resample_counts
from wm_lab.evaluation.ratio import Ratio, ratio_bounds


@pytest.mark.parametrize(("episodes", "luck"), [(15, 0.5), (30, 1.0), (100, 1.0)])
def test_ratios_of_skewed_errors_are_covered_as_often_as_is_said(episodes, luck):
    """Percentiles alone cover 0.92 to 0.93."""
    rng = np.random.default_rng(0)
    shared, own, other = rng.normal(size=(3, episodes, 400))
    top, bottom = (np.exp(luck * (0.8 * shared + 0.6 * part)) for part in (own, other))
    low, high = ratio_bounds(top, bottom, resample_counts(episodes, 1000, 0))
    assert 0.93 <= np.mean((low <= 1) & (high >= 1)) <= 0.98


def test_a_ratio_that_is_the_same_in_every_unit_is_certain_and_one_over_nothing_is_undefined():
    bottom = np.arange(1.0, 9)
    assert Ratio(2 * bottom, bottom).interval() == pytest.approx((2, 2, 2, 8))
    assert np.isnan(Ratio(bottom, np.zeros(8)).interval().value)


def test_of_three_episodes_a_ratio_is_wide_and_still_a_number():
    """Resampled standard errors of three units are often nearly zero, and nothing is to be divided by them."""
    rng = np.random.default_rng(0)
    top, bottom = np.exp(rng.normal(size=(2, 3, 500)))
    low, high = ratio_bounds(top, bottom, resample_counts(3, 1000, 0))
    assert np.isfinite(high).all() and np.median(np.log(high / low)) < 12
    assert np.mean((low <= 1) & (high >= 1)) > 0.9
