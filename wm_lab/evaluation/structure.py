"""How a representation is laid out: who is near whom, which labels lie together, how many directions it fills.

Shapes: M frames of E trajectories, F features; `trajectory` [M] numbers them 0..E-1. Frames of one trajectory resemble
one another in any representation, so wherever frames are compared, they are of two trajectories.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from wm_lab.data.statistics import moving
from wm_lab.evaluation.bootstrap import RESAMPLES
from wm_lab.evaluation.interval import LEVEL, Interval, undefined
from wm_lab.evaluation.ratio import Ratio

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


def neighbour_ratio(apart: np.ndarray, scene: np.ndarray, trajectory: np.ndarray, k: int) -> Interval:
    """How far the scenes of neighbours are from one another, over how far any two are: 1 is chance, 0 the same scene.

    apart, scene: distances [M, M] of representations and of true scenes
    """

    def ratio(kept: np.ndarray) -> float:
        here, whose = scene[np.ix_(kept, kept)], trajectory[kept]
        near = np.take_along_axis(here, neighbours(apart[np.ix_(kept, kept)], whose, k), axis=1).mean()
        other = whose[:, None] != whose
        return float(near / ((here * other).sum(1) / other.sum(1)).mean())

    return jackknife(ratio, trajectory, least=0.0)


def spearman(a: np.ndarray, b: np.ndarray, trajectory: np.ndarray) -> Interval:
    """Rank correlation of two kinds of distance [M, M] over pairs of different trajectories.

    Undefined for fewer than three trajectories or distances that are all alike.
    """
    first, second = np.triu_indices(len(a), 1)
    other = trajectory[first] != trajectory[second]
    first, second = first[other], second[other]
    count = int(trajectory.max()) + 1 if len(trajectory) else 0
    if len(np.unique(trajectory)) < 3:
        return undefined(count)
    orders = [np.unique(d[first, second], return_inverse=True)[1] for d in (a, b)]

    def correlation(kept: np.ndarray) -> float:
        pairs = kept[first] & kept[second]
        ranks = np.stack([_ranks(order[pairs]) for order in orders])  # [2, P]
        if not (np.ptp(ranks, 1) > 0).all():
            return float("nan")
        return float(np.corrcoef(ranks)[0, 1])

    return jackknife(correlation, trajectory, least=-1.0, most=1.0)


def _ranks(order: np.ndarray) -> np.ndarray:
    """Ranks of integers [P] that are few enough to be counted; what is equal has their mean."""
    counts = np.bincount(order)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[order]
    return ranks


def silhouette(apart: np.ndarray, labels: np.ndarray, trajectory: np.ndarray) -> Interval:
    """How much nearer frames are to their own label than to the next: mean of (b - a) / max(a, b), in [-1, 1]."""
    from sklearn.metrics import silhouette_samples

    if len(np.unique(labels)) < 2:
        return undefined()
    square = apart.copy()
    np.fill_diagonal(square, 0)

    def score(kept: np.ndarray) -> float:
        if len(np.unique(labels[kept])) < 2:
            return float("nan")
        return float(silhouette_samples(square[np.ix_(kept, kept)], labels[kept], metric="precomputed").mean())

    return jackknife(score, trajectory, least=-1.0, most=1.0)


def mutual_information(x: np.ndarray, labels: np.ndarray, trajectory: np.ndarray) -> Interval:
    """Normalised mutual information, in [0, 1], of labels [M] and as many k-means clusters of the features [M, F].

    Clusters move with the trajectories that are left out, from where they lie with all.
    """
    from sklearn.cluster import KMeans

    names, label = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return undefined()
    centres = KMeans(len(names), n_init=5, random_state=0).fit(x).cluster_centers_

    def shared(kept: np.ndarray) -> float:
        again = KMeans(len(names), n_init=1, init=centres, random_state=0)
        return normalised_information(again.fit_predict(x[kept]), label[kept])

    return jackknife(shared, trajectory, least=0.0, most=1.0)


def normalised_information(cluster: np.ndarray, label: np.ndarray) -> float:
    """2 I(cluster; label) / (H(cluster) + H(label)) of integers [M]."""
    k, names = (int(v.max()) + 1 for v in (cluster, label))
    p = np.bincount(cluster * names + label, minlength=k * names).reshape(k, names) / len(cluster)
    both, apart = scipy.special.entr(p).sum(), scipy.special.entr(p.sum(1)).sum() + scipy.special.entr(p.sum(0)).sum()
    return float(2 * (apart - both) / max(apart, np.finfo(float).tiny))


def effective_rank(x: np.ndarray) -> float:
    """exp of the entropy of the normalised singular values of centred features [M, F] (Roy and Vetterli 2007, §3)."""
    centred = x - x.mean(0)
    gram = centred.T @ centred if x.shape[1] < len(x) else centred @ centred.T
    singular = np.sqrt(np.linalg.eigvalsh(gram).clip(0))
    return float(np.exp(scipy.special.entr(singular / singular.sum()).sum())) if singular.any() else 0.0


def jackknife(
    statistic: Callable[[np.ndarray], float], trajectory: np.ndarray, *, least: float = -np.inf, most: float = np.inf
) -> Interval:
    """`statistic` of kept rows (bool [M]) ± Student's t times the error that leaving out groups of trajectories tells.

    For what a bootstrap cannot resample: a frame drawn twice adds no direction and is its own neighbour, and a
    trajectory counts as others' neighbour too. Undefined where the statistic is, with all rows or without a group.
    """
    count = int(trajectory.max()) + 1
    groups = min(GROUPS, count)
    if groups < 2:
        return undefined(count)
    value = statistic(np.ones(len(trajectory), bool))
    left = np.array([statistic(trajectory % groups != g) for g in range(groups)])
    error = np.sqrt((groups - 1) / groups * np.square(left - left.mean()).sum())
    reach = float(scipy.special.stdtrit(groups - 1, (1 + LEVEL) / 2) * error)
    if not np.isfinite(value + reach):
        return undefined(count)
    return Interval(max(value - reach, least), value, min(value + reach, most), count)


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
