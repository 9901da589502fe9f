"""Structure of representations against scikit-learn, SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.metrics import normalized_mutual_info_score, silhouette_score

from wm_lab.evaluation.embedding import noise_trustworthiness, pca, trustworthiness, tsne
from wm_lab.evaluation.structure import (
    distances,
    effective_rank,
    jackknife,
    mutual_information,
    neighbour_ratio,
    neighbours,
    normalised_information,
    silhouette,
    spearman,
    standardised,
    straightness,
)

RNG = np.random.default_rng(0)
TRAJECTORY = np.repeat(np.arange(12), 5)
BLOBS = RNG.standard_normal((60, 4)) + 3 * (TRAJECTORY[:, None] % 3)
"""Sixty frames of twelve trajectories, of three kinds."""


def test_neighbours_are_never_of_the_same_trajectory():
    home = 10.0 * RNG.standard_normal((12, 4))[TRAJECTORY] + 0.01 * RNG.standard_normal((60, 4))
    near = neighbours(distances(home), TRAJECTORY, 8)
    assert near.shape == (60, 8)
    assert (TRAJECTORY[near] != TRAJECTORY[:, None]).all()


def test_neighbours_are_the_nearest_of_the_others():
    x = np.array([0, 1, 3, 7, 15, 31.0])[:, None]
    near = neighbours(distances(x), np.array([0, 0, 1, 1, 2, 2]), 2)
    assert [sorted(row) for row in near.tolist()] == [[2, 3], [2, 3], [0, 1], [0, 1], [2, 3], [2, 3]]


def test_neighbours_in_noise_are_as_far_apart_as_any_and_in_the_scene_itself_much_nearer():
    trajectory = np.repeat(np.arange(100), 5)
    where, noise = RNG.uniform(size=(500, 2)), RNG.standard_normal((500, 16))
    scene = distances(where)
    chance = neighbour_ratio(distances(noise), scene, trajectory, 5)
    assert chance.low < 1 < chance.high and chance.value == pytest.approx(1, abs=0.05)
    assert neighbour_ratio(scene, scene, trajectory, 5).high < 0.15


def test_spearman_is_scipys_over_pairs_of_different_trajectories():
    a, b = distances(BLOBS), distances(BLOBS[:, :2])
    first, second = np.triu_indices(60, 1)
    apart = TRAJECTORY[first] != TRAJECTORY[second]
    expected = spearmanr(a[first, second][apart], b[first, second][apart]).statistic
    found = spearman(a, b, TRAJECTORY)
    assert found.value == pytest.approx(expected)
    assert found.low < expected < found.high and found.n == 12
    assert spearman(a, a, TRAJECTORY).value == pytest.approx(1)
    assert np.isnan(spearman(a[:10, :10], b[:10, :10], TRAJECTORY[:10]).value), "two trajectories are one pair"
    assert np.isnan(spearman(a, np.ones_like(a), TRAJECTORY).value)


def test_spearman_leaves_out_trajectories_and_not_pairs():
    """Thirty trajectories of noise: half of the intervals over their 435 pairs alone would miss 0 far too often."""
    trajectory, misses = np.repeat(np.arange(30), 4), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = (rng.standard_normal((30, 2))[trajectory] + 0.1 * rng.standard_normal((120, 2)) for _ in range(2))
        found = spearman(distances(x), distances(y), trajectory)
        misses += not found.low <= 0 <= found.high
    assert misses <= 6


def test_what_may_be_negative_has_an_interval_too():
    noise = np.random.default_rng(0).standard_normal(BLOBS.shape)
    labels = np.arange(len(noise)) % 2
    for found in (silhouette(distances(noise), labels, TRAJECTORY), straightness(noise, TRAJECTORY)):
        assert -1 <= found.low < found.value < found.high <= 1 and found.value < 0.05
    assert straightness(noise, TRAJECTORY).value < 0


def test_silhouette_and_information_are_scikit_learns():
    labels = np.array(["free", "touch", "solved"])[TRAJECTORY % 3]
    found = silhouette(distances(BLOBS), labels, TRAJECTORY)
    assert found.value == pytest.approx(silhouette_score(BLOBS, labels)) and found.positive

    cluster, label = RNG.integers(0, 4, 60), TRAJECTORY % 3
    assert normalised_information(cluster, label) == pytest.approx(normalized_mutual_info_score(label, cluster))
    assert mutual_information(100 * (TRAJECTORY[:, None] % 3) + BLOBS, labels, TRAJECTORY).value == pytest.approx(1)


def test_one_label_alone_has_no_clusters():
    labels = np.full(60, "free")
    assert np.isnan(silhouette(distances(BLOBS), labels, TRAJECTORY).value)
    assert np.isnan(mutual_information(BLOBS, labels, TRAJECTORY).value)


def test_effective_rank_counts_directions_of_equal_strength():
    corners = np.concatenate([np.eye(5), -np.eye(5)])
    assert effective_rank(np.pad(corners, ((0, 0), (0, 7)))) == pytest.approx(5)
    assert effective_rank(np.outer(np.arange(9.0), np.ones(40))) == pytest.approx(1)
    uneven = np.diag([3.0, 1.0])[[0, 0, 1, 1]] * np.array([1, -1, 1, -1])[:, None]
    p = np.array([0.75, 0.25])
    assert effective_rank(uneven) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_the_jackknife_is_the_textbook_error_of_a_mean():
    x = RNG.standard_normal((10, 1))
    found = jackknife(lambda kept: float(x[kept].mean()), np.arange(10))
    assert found.value == pytest.approx(x.mean())
    assert (found.high - found.low) / 2 == pytest.approx(2.2622 * x.std(ddof=1) / np.sqrt(10), rel=1e-3)


def test_straightness_is_the_cosine_of_the_turns_and_never_crosses_trajectories():
    line = np.outer(np.arange(5.0), [1.0, 2.0])
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], float)
    there_and_back = np.outer([0.0, 1, 0, 1, 0], [1.0, 1.0])
    for path, cosine in ((line, 1), (square, 0), (there_and_back, -1)):
        assert straightness(path, np.zeros(5, int)).value == pytest.approx(cosine)
    both = straightness(np.concatenate([line, 100 + line[::-1]]), np.repeat([0, 1], 5))
    assert both.value == pytest.approx(1) and both.n == 2
    assert np.isnan(straightness(np.zeros((5, 2)), np.zeros(5, int)).value), "what rests has no direction"


def test_standardised_features_are_of_one_size_and_move():
    found = standardised(np.column_stack([RNG.normal(5, 100, 50), np.full(50, 3.0), RNG.normal(0, 1e-3, 50)]))
    assert found.shape == (50, 2)
    np.testing.assert_allclose(found.std(0), 1)
    assert (standardised(np.ones((9, 4))) == np.zeros((9, 1))).all(), "what never moves says nothing"


def test_trustworthiness_is_scikit_learns():
    flat = BLOBS[:, :2]
    found = trustworthiness(BLOBS, flat, 5)
    assert found.shape == (60,)
    assert found.mean() == pytest.approx(sklearn_trustworthiness(BLOBS, flat, n_neighbors=5))
    assert trustworthiness(flat, 3 * flat, 5).mean() == pytest.approx(1)


def test_noise_looks_trustworthy_to_tsne_and_a_plane_more_so():
    noise = noise_trustworthiness(100, 64, 15)
    assert 0.65 < noise < 0.85
    plane = RNG.uniform(size=(100, 2)) @ RNG.standard_normal((2, 64))
    assert trustworthiness(plane, tsne(plane, 15)).mean() > 0.95
    assert trustworthiness(plane, pca(plane)).mean() == pytest.approx(1)
