"""A sample of the simulation behind docs/reproducibility.md: intervals hold the truth about as often as they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "coverages"

SAMPLE = {
    "success rate": ["0.5 to 0.7, 3 seeds, spread 1.2", "0.7 to 0.8, 3 seeds, beta ± 0.19", "0.9 to 0.98, one seed"],
    "paired difference": ["0.7 − 0.5, one seed", "1.0 − 0.64, 3 seeds, b alone spread 0.0, 1.2"],
    "mean over seeds and episodes": ["2 seeds, spread 0.2", "3 seeds, spread 0.2", "5 seeds, spread 1.0, skewed"],
    "mean of the solved": ["0.8 solved, one seed"],
    "mean over episodes": ["exponential, 50 episodes", "log-normal 1, 50 episodes"],
    "ratio of errors (skill)": ["errors spread 1.0 and 1.0, 30 episodes"],
    "median error": ["windows of 30 episodes"],
    "mean error": ["windows of 100 episodes"],
    "median error over trainings": ["3 seeds, spread 0.4"],
    "skill over trainings": ["3 seeds, spread 0.1", "5 seeds, spread 0.4"],
    "IQM over tasks": ["3 tasks, 3 seeds", "2 tasks, 2 seeds"],
}
"""Student's interval over seeds and episodes holds 0.89 of the second row, a bootstrap of seeds 0.57 of the last."""

SLOW = {
    "horizon: skill": ["30 episodes, hardly falling"],
    "horizon: useful": ["30 episodes, hardly falling"],
    "horizon: actions": ["30 episodes"],
    "horizon over trainings: skill": ["3 seeds, spread of 1 steps"],
    "R² of probes": ["8 features, noise 0.5, 100 trajectories"],
    "mutual information": ["30 trajectories"],
    "effective rank": ["30 trajectories"],
    "straightness": ["30 trajectories"],
}


@pytest.fixture(scope="module")
def rows():
    sys.path.insert(0, str(FOLDER))
    try:
        import rows as module
    finally:
        sys.path.remove(str(FOLDER))
    return {(row.interval, row.scenario): row.held for row in module.rows()}


def named(sample: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name, one) for name, some in sample.items() for one in some]


@pytest.mark.parametrize(("interval", "scenario"), named(SAMPLE))
def test_intervals_hold_the_truth_as_often_as_they_say(rows, interval, scenario):
    assert 0.93 <= rows[interval, scenario](np.random.default_rng(1), 1000).mean() <= 0.985


@pytest.mark.parametrize(("interval", "scenario"), named(SLOW))
def test_so_do_those_that_take_their_time_as_far_as_a_few_experiments_tell(rows, interval, scenario):
    """One that held 80 of 100 would fail here nine times in ten; steps are whole, so horizons may always hold."""
    assert rows[interval, scenario](np.random.default_rng(1), 60).mean() > 0.85


def test_every_kind_of_interval_is_simulated_and_no_experiment_twice(rows):
    assert {interval for interval, _ in rows} > set(SAMPLE) | set(SLOW)
