"""Probes against closed forms, and the trap they are built to avoid."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_score

from wm_lab.evaluation.probes import cross_validate, held_back, mlp, other_trajectories, ridge

ALL = slice(None)


def trajectories(count: int, length: int) -> np.ndarray:
    return np.repeat(np.arange(count), length)


def r2(x, y, trajectory, probe=ridge):
    return cross_validate(x, y, trajectory, probe).explained(ALL).interval(200)


@pytest.mark.parametrize("probe", [ridge, mlp])
def test_what_is_linear_in_the_features_is_read_and_noise_is_not(probe):
    rng = np.random.default_rng(0)
    x, trajectory = rng.standard_normal((400, 8)), trajectories(40, 10)
    y = x @ rng.standard_normal((8, 3)) + 5
    assert r2(x, y, trajectory, probe).low > (0.9999 if probe is ridge else 0.95)
    noise = rng.standard_normal((400, 3))
    assert r2(x, noise, trajectory, probe).value <= 0.01


def test_half_of_the_variance_explained_is_an_r_squared_of_a_half():
    rng = np.random.default_rng(1)
    signal, rest = rng.standard_normal((2, 20_000, 1))
    found = r2(signal, signal + rest, trajectories(200, 100))
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert found.low < 0.5 < found.high and found.n == 200


def test_a_curve_is_read_by_the_network_and_by_no_line():
    rng = np.random.default_rng(0)
    x, trajectory = rng.uniform(-2, 2, (400, 2)), trajectories(40, 10)
    y = np.square(x[:, :1])
    assert r2(x, y, trajectory, ridge).high < 0.05
    assert r2(x, y, trajectory, mlp).low > 0.9


def test_the_network_says_the_same_again():
    rng = np.random.default_rng(0)
    x, y, trajectory = rng.standard_normal((80, 3)), rng.standard_normal((80, 2)), trajectories(8, 10)
    assert np.array_equal(
        cross_validate(x, y, trajectory, mlp).predicted, cross_validate(x, y, trajectory, mlp).predicted
    )


def test_more_features_than_frames_of_noise_read_nothing():
    """Least squares would fit every known frame exactly."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((100, 192)), rng.standard_normal((100, 2))
    assert r2(x, y, trajectories(100, 1)).high < 0.15


def test_random_features_of_random_walks_look_decodable_only_when_frames_are_shuffled():
    """Ten trajectories of ten frames: their features know whose frame it is, and nothing that another shares."""
    rng = np.random.default_rng(0)
    trajectory = trajectories(10, 10)
    label = rng.standard_normal((10, 1))[trajectory] + 0.05 * rng.standard_normal((100, 1))
    features = rng.standard_normal((10, 64))[trajectory] + 0.05 * rng.standard_normal((100, 64))
    shuffled = cross_val_score(Ridge(1.0), features, label, cv=KFold(5, shuffle=True, random_state=0), scoring="r2")
    assert shuffled.mean() > 0.95
    assert r2(features, label, trajectory).value < 0.1


def test_gains_are_paired_over_trajectories():
    rng = np.random.default_rng(0)
    trajectory, x = trajectories(40, 10), rng.standard_normal((400, 2))
    y = x.sum(1, keepdims=True)
    whole, half = (cross_validate(features, y, trajectory, ridge).explained(ALL) for features in (x, x[:, :1]))
    gain = whole.minus(half, 500)
    assert gain.value == pytest.approx(0.5, abs=0.1) and gain.positive
    assert whole.minus(whole, 500)[:3] == (0, 0, 0)


def test_a_variable_that_never_varies_has_no_r_squared():
    x = np.random.default_rng(0).standard_normal((40, 3))
    assert np.isnan(r2(x, np.full((40, 2), 7.0), trajectories(8, 5)).value)


def test_the_control_labels_are_of_another_trajectory_and_in_its_order():
    trajectory = np.repeat(np.arange(5), [4, 6, 3, 6, 5])
    step = np.concatenate([np.arange(n) for n in (4, 6, 3, 6, 5)])
    lent = other_trajectories(trajectory)
    assert (trajectory[lent] != trajectory).all()
    for name in range(5):
        mine = lent[trajectory == name]
        (theirs,) = set(trajectory[mine])
        size = (trajectory == theirs).sum()
        assert (np.diff(step[mine]) % size == 1 % size).all(), "one after another, round and round"


def test_every_probe_holds_whole_trajectories_back_and_keeps_some():
    for count in (2, 3, 9):
        trajectory = trajectories(count, 3)
        apart = held_back(trajectory)
        assert apart.any() and not apart.all()
        assert not set(trajectory[apart]) & set(trajectory[~apart])


def test_an_interval_reaches_as_far_as_other_trajectories_to_learn_from_would_move_it():
    """Features that many probes could read: judged by the same trajectories alone, 0.75 to 0.8 of experiments hold."""
    rng, hits = np.random.default_rng(0), []
    weights = rng.standard_normal((24, 1)) / np.sqrt(24)

    def world(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x = rng.standard_normal((count, 1, 24)) + 0.5 * rng.standard_normal((count, 5, 24))
        y = x @ weights + 0.7 * rng.standard_normal((count, 1, 1)) + 0.3 * rng.standard_normal((count, 5, 1))
        return x.reshape(-1, 24), y.reshape(-1, 1), trajectories(count, 5)

    unseen, truth, _ = world(1500)
    reached = []
    for _ in range(80):
        x, y, trajectory = world(40)
        hits.append(cross_validate(x, y, trajectory, ridge).explained(ALL).interval(300))
        known = trajectory < 32  # as many as a fold learns from
        said = y[known].mean() + ridge(x[known], y[known] - y[known].mean(), trajectory[known], unseen)
        reached.append(1 - np.square(truth - said).sum() / np.square(truth - truth.mean()).sum())
    assert 0.9 <= np.mean([r2.low <= np.mean(reached) <= r2.high for r2 in hits]) <= 0.99


def test_a_constant_is_constant_whatever_its_rounding():
    x = np.random.default_rng(0).standard_normal((40, 3))
    y = np.column_stack([np.full(40, 0.3), x[:, 0]])
    predictions = cross_validate(x, y, trajectories(8, 5), ridge)
    assert np.isnan(predictions.explained(slice(0, 1)).interval(200).value)
    assert predictions.explained(slice(0, 2)).interval(200) == predictions.explained(slice(1, 2)).interval(200)
