"""Resampling."""

from __future__ import annotations

import pytest

from wm_lab.evaluation.bootstrap import resample_counts


def test_resampling_counts_are_draws_with_replacement():
    counts = resample_counts(50, 4000, seed=0)
    assert (counts.sum(1) == 50).all()
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.03)
