"""A sample of the simulation behind docs/reproducibility.md: intervals hold the truth about as often as they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "coverages"

SAMPLE = {
    "success rate": ["0.64, 3 seeds, spread 1.2", "0.8, 3 seeds, beta ± 0.19", "0.9, 5 seeds, spread 0.5"],
    "paired difference": ["0.7 − 0.5, one seed", "1.0 − 0.64, 3 seeds, b alone spread 0.0, 1.2"],
    "mean over seeds and episodes": ["3 seeds, spread 0.2", "5 seeds, spread 1.0, skewed"],
    "mean over episodes": ["exponential, 50 episodes"],
    "ratio of errors (skill)": ["errors spread 1.0 and 1.0, 30 episodes"],
    "IQM over tasks": ["3 tasks, 3 seeds", "2 tasks, 2 seeds"],
}
"""Student's interval over seeds and episodes holds 0.89 of the second row, a bootstrap of seeds 0.57 of the last."""


@pytest.fixture(scope="module")
def rows():
    sys.path.insert(0, str(FOLDER))
    try:
        import rows as module
    finally:
        sys.path.remove(str(FOLDER))
    return {(row.interval, row.scenario): row.covered for row in module.rows()}


@pytest.mark.parametrize(("interval", "scenario"), [(name, one) for name, some in SAMPLE.items() for one in some])
def test_intervals_hold_the_truth_as_often_as_they_say(rows, interval, scenario):
    assert 0.93 <= rows[interval, scenario](np.random.default_rng(1), 1000) <= 0.985


def test_every_kind_of_interval_is_simulated_and_no_experiment_twice(rows):
    assert {interval for interval, _ in rows} > set(SAMPLE)
