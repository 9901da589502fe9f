"""A small network as a probe: what a line cannot read may still be there.

One hidden layer of rectified units and Adam (Kingma and Ba 2015), written out: probes are fitted by the dozen, and at
this size a general library spends most of its time on ceremony.
"""

from __future__ import annotations

import numpy as np

HIDDEN, BATCH, UPDATES, RATE = 64, 128, 500, 5e-3
LOOK = 20
"""Updates between looks at the trajectories held back."""


def fit(
    x: np.ndarray, y: np.ndarray, judge: tuple[np.ndarray, np.ndarray], unseen: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Predictions [U, D] for `unseen` [U, F] of a network that learns y [M, D], centred, from x [M, F], centred.

    Each dimension is given as it was when the rows of `judge` (x, y) were read best. The network begins as the guess 0,
    and a dimension in which nothing better is learnt remains that.
    """
    rng = np.random.default_rng(seed)
    scale, unit = float(x.std()) or 1.0, np.where(y.std(0) > 0, y.std(0), 1.0)
    x, held, unseen = (_with_one(part / scale) for part in (x, judge[0], unseen))
    y, truth = ((part / unit).astype(np.float32) for part in (y, judge[1]))
    weights = [rng.normal(0, (2 / x.shape[1]) ** 0.5, (x.shape[1], HIDDEN)), np.zeros((HIDDEN + 1, y.shape[1]))]
    weights = [w.astype(np.float32) for w in weights]
    first, second = ([np.zeros_like(w) for w in weights] for _ in range(2))  # Adam's moments
    predicted, least = np.zeros((len(unseen), y.shape[1])), np.square(truth).mean(0)
    for update in range(1, UPDATES + 1):
        rows = rng.integers(len(x), size=BATCH)
        rate = RATE * (1 - update / UPDATES)
        for w, g, m, v in zip(weights, _gradients(x[rows], y[rows], weights), first, second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            w -= rate * (m / (1 - 0.9**update)) / (np.sqrt(v / (1 - 0.999**update)) + 1e-8)
        if update % LOOK == 0:
            error = np.square(_hidden(held, weights) @ weights[1] - truth).mean(0)
            better = error < least
            if better.any():
                predicted[:, better] = (_hidden(unseen, weights) @ weights[1])[:, better]
            least = np.minimum(error, least)
    return predicted * unit


def _gradients(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of half the squared error, averaged over rows."""
    h = _hidden(x, weights)
    error = (h @ weights[1] - y) / len(x)
    return x.T @ ((error @ weights[1][:-1].T) * (h[:, :-1] > 0)), h.T @ error


def _hidden(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    return _with_one(np.maximum(x @ weights[0], 0))


def _with_one(x: np.ndarray) -> np.ndarray:
    """A last column of ones stands for the bias."""
    return np.concatenate([x, np.ones((len(x), 1))], axis=1, dtype=np.float32)
