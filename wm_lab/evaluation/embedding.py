"""Flat pictures of a representation, and whether they are worth believing: PCA, t-SNE and its score on noise.

t-SNE shows clusters in anything. Its trustworthiness (how far those it calls neighbours really are in rank, Venna and
Kaski 2001) is therefore set beside that of as many points of pure noise in as many dimensions, drawn on the spot.
"""

from __future__ import annotations

import numpy as np

from wm_lab.evaluation.structure import distances

NEIGHBOURS = 5
NOISES = 3
"""Draws of noise; the best-looking one is the bar."""


def pca(x: np.ndarray) -> np.ndarray:
    """The two directions of most variance: [n, F] -> [n, 2]."""
    from sklearn.decomposition import PCA

    flat = PCA(2, random_state=0).fit_transform(x if x.shape[1] > 1 else np.pad(x, ((0, 0), (0, 1))))
    return np.asarray(flat)


def tsne(x: np.ndarray, perplexity: float, seed: int = 0) -> np.ndarray:
    """t-SNE that starts from the principal components: [n, F] -> [n, 2]; the perplexity must be below n."""
    from sklearn.manifold import TSNE

    start = pca(x)
    start = start / max(start[:, 0].std(), np.finfo(float).tiny) * 1e-4  # as scikit-learn scales its own
    flat = TSNE(2, perplexity=perplexity, init=start.astype(np.float32), random_state=seed).fit_transform(x)
    return np.asarray(flat)


def trustworthiness(x: np.ndarray, flat: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Each point's share [n] of the trustworthiness of `flat` [n, 2], whose mean it is; n must exceed 2 k."""
    n = len(x)
    far, near = distances(x), distances(flat)
    for table in (far, near):
        np.fill_diagonal(table, -1)
    rank = np.argsort(np.argsort(far, axis=1, kind="stable"), axis=1)  # oneself 0, the nearest 1
    shown = np.argsort(near, axis=1, kind="stable")[:, 1 : k + 1]
    excess = np.maximum(np.take_along_axis(rank, shown, axis=1) - k, 0).sum(1)
    scores: np.ndarray = 1 - 2 * excess / (k * (2 * n - 3 * k - 1))
    return scores


def noise_trustworthiness(n: int, width: int, perplexity: float, k: int = NEIGHBOURS) -> float:
    """The best score among pictures of n points of Gaussian noise in `width` dimensions."""
    scores = []
    for seed in range(NOISES):
        noise = np.random.default_rng(seed).standard_normal((n, width))
        scores.append(float(trustworthiness(noise, tsne(noise, perplexity, seed), k).mean()))
    return max(scores)
