"""What can be read from a representation: ridge and MLP probes, judged on trajectories they have never seen.

Frames of one trajectory are alike whatever the representation, so shuffled cross-validation finds an R² near 1 in the
features of a random network. Here whole trajectories are held out, both to choose a probe's stiffness and to judge it.
Shapes: M frames of E trajectories, F features, D target dimensions; `trajectory` [M] numbers them 0..E-1.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from wm_lab.evaluation import mlp_probe
from wm_lab.evaluation.bootstrap import RESAMPLES
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.ratio import Ratio, around, per_trajectory

FOLDS = 5

HELD_BACK = 4
"""One trajectory in so many chooses a probe's penalty, or how long it is trained."""

FEWEST = 2
"""Folds, of which two can't be left out."""

REFITTED = 0.7
"""How far to go from the error of the judging trajectories to that of the jackknife, whose probes learn from fewer and
so differ too much. Found by `scripts/coverage.py`."""

PENALTIES = 10.0 ** np.arange(-6, 4)
"""Of the ridge, in units of the mean variance of the features."""

Probe = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(features [M, F], targets [M, D], trajectory [M], unseen features [U, F]) -> predictions [U, D]"""


class ProbePredictions(NamedTuple):
    """A probe's predictions of every frame, from other trajectories (cross-validated)."""

    truth: np.ndarray  # [M, D]
    predicted: np.ndarray  # [M, D]
    baseline: np.ndarray  # [M, D], the mean of the trajectories that the probe learned from
    trajectory: np.ndarray  # [M]
    fewer: np.ndarray
    """[K, 2, M, D] predictions and baselines of probes without a second fold of trajectories; NaN in that fold."""

    def explained(self, columns: slice) -> Explained:
        """Some of the target's dimensions together, each in its own unit; those that never vary say nothing."""
        here = np.arange(self.truth.shape[1])[columns]
        here = here[np.ptp(self.truth[:, here], axis=0) > 0]
        truth = self.truth[:, here]
        missed, spread = (np.square(truth - other[:, here]).sum(1) for other in (self.predicted, self.baseline))
        fewer = np.nansum(np.square(truth - self.fewer[..., here]), axis=(-2, -1))  # [K, 2]
        return Explained(Ratio(*(per_trajectory(values, self.trajectory) for values in (missed, spread))), fewer)


class Explained(NamedTuple):
    """R² = 1 - squared error / squared error of guessing the mean; below 0 the guess is better than the probe.

    Its interval is over the trajectories that judge a probe, and reaches further by what other trajectories to learn
    from would change: probes fitted without each fold in turn tell (the pairs of folds of nested cross-validation,
    Bates, Hastie and Tibshirani 2024, Journal of the American Statistical Association 119:1434).
    """

    unexplained: Ratio
    fewer: np.ndarray  # [K, 2] squared errors of probe and guess in the other folds, with each fold left out

    def interval(self, resamples: int = RESAMPLES) -> Interval:
        """Over trajectories, to judge by and to learn from."""
        if not self.unexplained.bottom.sum() > 0:
            return undefined(len(self.unexplained.top))
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.log(self.fewer[:, 0] / self.fewer[:, 1])
        stretch = _stretch(left, self.unexplained.error())
        low, value, high, n = self.unexplained.interval(resamples, stretch)
        return Interval(1 - high, 1 - value, 1 - low, n)

    def minus(self, other: Explained, resamples: int = RESAMPLES) -> Interval:
        """How much more is explained than by `other`, on the same trajectories."""
        mine, theirs = self.unexplained, other.unexplained
        if not mine.bottom.sum() > 0:
            return undefined(len(mine.top))
        value = theirs.value - mine.value
        with np.errstate(divide="ignore", invalid="ignore"):
            left = other.fewer[:, 0] / other.fewer[:, 1] - self.fewer[:, 0] / self.fewer[:, 1]
        part = theirs.influence() - mine.influence()
        low, _, high, n = around(value, theirs.resampled(resamples) - mine.resampled(resamples), len(mine.top))
        stretch = _stretch(left, float(np.sqrt(np.square(part).sum())))
        return Interval(value - stretch * (value - low), value, value + stretch * (high - value), n)


def cross_validate(x: np.ndarray, y: np.ndarray, trajectory: np.ndarray, probe: Probe) -> ProbePredictions:
    """Predictions for features x [M, F] of targets y [M, D], fold by fold; each trajectory lies in one fold."""
    from sklearn.model_selection import GroupKFold

    count = min(FOLDS, len(np.unique(trajectory)))
    fold = np.empty(len(x), int)
    for number, (_, unseen) in enumerate(GroupKFold(count).split(x, groups=trajectory)):
        fold[unseen] = number

    def without(*left: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the folds left out, what a probe of the others says of them, and their mean."""
        unseen = np.isin(fold, left)
        known = ~unseen
        mean = y[known].mean(0)
        return unseen, mean + probe(x[known], y[known] - mean, trajectory[known], x[unseen]), mean

    predicted, baseline = np.empty_like(y, dtype=float), np.empty_like(y, dtype=float)
    for number in range(count):
        unseen, found, mean = without(number)
        predicted[unseen], baseline[unseen] = found, mean
    fewer = np.full((count, 2, *y.shape), np.nan)
    for one, other in combinations(range(count), 2) if count > FEWEST else ():
        unseen, found, mean = without(one, other)
        for left, judged in ((one, other), (other, one)):
            rows = fold == judged
            fewer[left, 0, rows], fewer[left, 1, rows] = found[rows[unseen]], mean
    return ProbePredictions(np.asarray(y, float), predicted, baseline, trajectory, fewer)


def _stretch(left: np.ndarray, error: float) -> float:
    """How many times as far as the judging trajectories alone an interval reaches, for the probes would differ too.

    left: the figure [K] without each fold in turn; error: its standard error with the probes as they are
    """
    if not error > 0 or not np.isfinite(left).all() or len(left) < 2:
        return 1.0
    apart = np.sqrt((len(left) - 1) / len(left) * np.square(left - left.mean()).sum())  # the jackknife's error
    return max(1.0, 1 - REFITTED + REFITTED * float(apart) / error)


def ridge(x: np.ndarray, y: np.ndarray, trajectory: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Linear regression, for every dimension with the penalty that reads the trajectories held back best."""
    apart = held_back(trajectory)
    guesses = _ridge_path(x[~apart], y[~apart], x[apart])  # [P, ., D]
    best = np.square(guesses - y[apart]).sum(1).argmin(0)  # [D]
    return _ridge_path(x, y, unseen)[best, :, np.arange(y.shape[1])].T


def mlp(x: np.ndarray, y: np.ndarray, trajectory: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """A network of one hidden layer, each dimension as it was when it read the trajectories held back best."""
    apart, middle = held_back(trajectory), x.mean(0)
    x, unseen = x - middle, unseen - middle
    return mlp_probe.fit(x[~apart], y[~apart], (x[apart], y[apart]), unseen)


def held_back(trajectory: np.ndarray) -> np.ndarray:
    """[M] bool: the rows of every fourth trajectory, of one at least, and never of all."""
    return np.isin(trajectory, np.unique(trajectory)[::HELD_BACK])


def other_trajectories(trajectory: np.ndarray, seed: int = 0) -> np.ndarray:
    """[M] for every frame one of another trajectory, whose order is kept and whose beginning is drawn.

    The control: labels exchanged like this are as smooth in time as true ones and say nothing of the features.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(trajectory))
    rows = {name: np.flatnonzero(trajectory == name) for name in names}
    out = np.empty(len(trajectory), int)
    for mine, theirs in zip(names, np.roll(names, 1), strict=True):
        lent = np.roll(rows[theirs], rng.integers(len(rows[theirs])))
        out[rows[mine]] = np.resize(lent, len(rows[mine]))
    return out


def _ridge_path(x: np.ndarray, y: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Predictions [P, U, D] for every penalty, of one decomposition."""
    middle, offset = x.mean(0), y.mean(0)
    x, unseen = x - middle, unseen - middle
    values, vectors = np.linalg.eigh(x.T @ x)
    rotated, projected = unseen @ vectors, vectors.T @ (x.T @ (y - offset))
    unit = max(float(values.mean()), np.finfo(float).tiny)
    scales = [values.clip(0)[:, None] + penalty * unit for penalty in PENALTIES]
    predicted: np.ndarray = np.stack([rotated @ (projected / scale) for scale in scales]) + offset
    return predicted
