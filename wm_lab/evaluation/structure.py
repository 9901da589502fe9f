"""How a representation is laid out: who is near whom, which labels lie together, how many directions it fills.

Shapes: M frames of E trajectories, F features; `trajectory` [M] numbers them 0..E-1. Frames of one trajectory resemble
one another in any representation, so wherever frames are compared, they are of two trajectories.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import entr, stdtrit

from wm_lab.data.statistics import moving
from wm_lab.evaluation.bootstrap import RESAMPLES, resample_counts
from wm_lab.evaluation.interval import LEVEL, Interval, undefined
from wm_lab.evaluation.ratio import Ratio, around, per_trajectory

GROUPS = 10
"""Of trajectories, each left out once by the jackknife."""


def standardised(x: np.ndarray) -> np.ndarray:
    """Features [M, F'] in deviations from their mean; those that never move are dropped.

    Where none moves, one column of zeros is left, from which nothing can be read.
    """
    x = np.asarray(x, float)
    spread = x.std(0)
    moves = moving(x.mean(0), spread)
    if not moves.any():
        return np.zeros((len(x), 1))
    scaled: np.ndarray = (x[:, moves] - x[:, moves].mean(0)) / spread[moves]
    return scaled


def distances(x: np.ndarray) -> np.ndarray:
    """Euclidean [M, M]."""
    square = np.square(x).sum(1)
    apart: np.ndarray = np.sqrt(np.maximum(square[:, None] + square - 2 * x @ x.T, 0))
    return apart


def neighbours(apart: np.ndarray, trajectory: np.ndarray, k: int) -> np.ndarray:
    """The k nearest frames [M, k] of other trajectories, by distances [M, M]."""
    others = np.where(trajectory[:, None] == trajectory, np.inf, apart)
    return np.argpartition(others, k - 1, axis=1)[:, :k]


def neighbour_ratio(apart: np.ndarray, scene: np.ndarray, trajectory: np.ndarray, k: int) -> Ratio:
    """How far the scenes of neighbours are from one another, over how far any two are: 1 is chance, 0 the same scene.

    apart, scene: distances [M, M] of representations and of true scenes
    """
    near = np.take_along_axis(scene, neighbours(apart, trajectory, k), axis=1).mean(1)
    other = trajectory[:, None] != trajectory
    far = (scene * other).sum(1) / other.sum(1)
    return Ratio(per_trajectory(near, trajectory), per_trajectory(far, trajectory))


def spearman(a: np.ndarray, b: np.ndarray, trajectory: np.ndarray, resamples: int = RESAMPLES) -> Interval:
    """Rank correlation of two kinds of distance [M, M] over pairs of different trajectories.

    Trajectories are resampled, and a pair counts as often as both of its trajectories were drawn; ranks stay those of
    the whole sample. Undefined for fewer than three trajectories or distances that are all alike.
    """
    from scipy.stats import rankdata  # takes a second to load, which every command would wait for

    first, second = np.triu_indices(len(a), 1)
    kept = trajectory[first] != trajectory[second]
    first, second = first[kept], second[kept]
    count = int(trajectory.max()) + 1 if len(trajectory) else 0
    if len(np.unique(trajectory)) < 3:
        return undefined(count)
    x, y = (rankdata(d[first, second]) / len(first) - 0.5 for d in (a, b))
    pair = trajectory[first] * count + trajectory[second]

    def block(values: np.ndarray) -> np.ndarray:
        return np.bincount(pair, weights=values, minlength=count * count).reshape(count, count)

    blocks = np.stack([block(v) for v in (np.ones_like(x), x, y, x * x, y * y, x * y)])  # [6, E, E]
    drawn = np.concatenate([np.ones((1, count)), resample_counts(count, resamples, seed=0)])  # the sample itself first
    n, sx, sy, sxx, syy, sxy = ((drawn @ blocks) * drawn).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may hold one trajectory alone
        found = (sxy - sx * sy / n) / np.sqrt((sxx - sx * sx / n) * (syy - sy * sy / n))
    if not np.isfinite(found[0]):
        return undefined(count)
    return around(found[0], found[1:][np.isfinite(found[1:])], count)


def silhouette(apart: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, resamples: int = RESAMPLES) -> Interval:
    """How much nearer frames are to their own label than to the next: mean of (b - a) / max(a, b), in [-1, 1]."""
    from sklearn.metrics import silhouette_samples

    if len(np.unique(labels)) < 2:
        return undefined()
    square = apart.copy()
    np.fill_diagonal(square, 0)
    score = silhouette_samples(square, labels, metric="precomputed")
    return Ratio(per_trajectory(score, trajectory), np.bincount(trajectory).astype(float)).signed(resamples)


def mutual_information(
    x: np.ndarray, labels: np.ndarray, trajectory: np.ndarray, resamples: int = RESAMPLES
) -> Interval:
    """Normalised mutual information, in [0, 1], of labels [M] and as many k-means clusters of the features [M, F]."""
    from sklearn.cluster import KMeans

    names, label = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return undefined()
    cluster = KMeans(len(names), n_init=5, random_state=0).fit_predict(x)
    return normalised_information(cluster, label, trajectory, resamples)


def normalised_information(
    cluster: np.ndarray, label: np.ndarray, trajectory: np.ndarray, resamples: int = RESAMPLES
) -> Interval:
    """2 I(cluster; label) / (H(cluster) + H(label)) of integers [M]; the clusters are not found anew."""
    count, k, names = (int(v.max()) + 1 for v in (trajectory, cluster, label))
    cell = (trajectory * k + cluster) * names + label
    cells = np.bincount(cell, minlength=count * k * names).reshape(count, -1)
    drawn = np.concatenate([np.ones((1, count)), resample_counts(count, resamples, seed=0)])
    joint = drawn @ cells
    p = (joint / joint.sum(1, keepdims=True)).reshape(-1, k, names)
    both, apart = entr(p).sum((1, 2)), entr(p.sum(1)).sum(1) + entr(p.sum(2)).sum(1)
    found = 2 * (apart - both) / np.maximum(apart, np.finfo(float).tiny)
    return around(found[0], found[1:], count)


def effective_rank(x: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values of centred features [M, F] (Roy and Vetterli 2007, §3)."""
    centred = x - x.mean(0)
    gram = centred.T @ centred if x.shape[1] < len(x) else centred @ centred.T
    singular = np.sqrt(np.linalg.eigvalsh(gram).clip(0))
    return float(np.exp(entr(singular / singular.sum()).sum())) if singular.any() else 0.0


def jackknife(statistic: Callable[[np.ndarray], float], x: np.ndarray, trajectory: np.ndarray) -> Interval:
    """`statistic` of features [M, F] ± Student's t times the error that leaving out groups of trajectories tells.

    For what a bootstrap cannot resample: a frame drawn twice adds no direction, so resampled ranks are all too low.
    """
    count = int(trajectory.max()) + 1
    groups = min(GROUPS, count)
    if groups < 2:
        return undefined(count)
    value = statistic(x)
    left = np.array([statistic(x[trajectory % groups != g]) for g in range(groups)])
    error = np.sqrt((groups - 1) / groups * np.square(left - left.mean()).sum())
    reach = float(stdtrit(groups - 1, (1 + LEVEL) / 2) * error)
    return Interval(value - reach, value, value + reach, count)


def straightness(x: np.ndarray, trajectory: np.ndarray, resamples: int = RESAMPLES) -> Interval:
    """Mean cosine of successive steps of features [M, F], which hold every step of each trajectory in order."""
    step = np.diff(x, axis=0)
    length = np.linalg.norm(step, axis=1)
    whole = (trajectory[2:] == trajectory[:-2]) & (length[1:] > 0) & (length[:-1] > 0)
    if not whole.any():
        return undefined(int(trajectory.max()) + 1)
    cosine = (step[1:] * step[:-1]).sum(1)[whole] / (length[1:] * length[:-1])[whole]
    count = int(trajectory.max()) + 1
    total, pairs = (
        np.bincount(trajectory[2:][whole], weights=v, minlength=count) for v in (cosine, np.ones_like(cosine))
    )
    return Ratio(total, pairs).signed(resamples)
