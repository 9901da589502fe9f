"""Does a model doubt the episodes that it gets wrong?"""

from __future__ import annotations

import numpy as np

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.interval import Interval, undefined

LUCK = 0.5
"""Of an area under the curve where doubt says nothing."""


def doubt_of_wrong(doubt: np.ndarray, wrong: np.ndarray, seed: int = 0) -> Interval:
    """How often a wrong episode is doubted more than a right one: the area under the ROC curve, 0.5 by luck, 1 always.

    doubt: [P, E] of every policy's episodes, NaN where a model has none; wrong: [P, E] bool. The interval resamples
    episodes, with what all policies did in them. Undefined where nothing was wrong, or nothing right.
    """
    if np.isnan(doubt).any() or wrong.all() or not wrong.any():
        return undefined(doubt.shape[1])
    episodes = doubt.shape[1]
    start = np.broadcast_to(np.arange(episodes), doubt.shape)
    bad, good = doubt[wrong], doubt[~wrong]
    above = (bad[:, None] > good) + 0.5 * (bad[:, None] == good)
    pairs = np.zeros((episodes, episodes))  # [e, f]: won by the wrong ones of e over the right ones of f
    np.add.at(pairs, (start[wrong][:, None], start[~wrong][None]), above)
    drawn = resample_counts(episodes, RESAMPLES, seed)  # [R, E]
    won = np.einsum("re,ef,rf->r", drawn, pairs, drawn, optimize=True)
    asked = (drawn @ wrong.sum(0)) * (drawn @ (~wrong).sum(0))
    value = float(pairs.sum() / (len(bad) * len(good)))
    low, high = percentile_bounds(won[asked > 0] / asked[asked > 0], n=episodes)
    return Interval(min(float(low), value), value, max(float(high), value), episodes)
