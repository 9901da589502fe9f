"""Does imagination order policies as the truth does? Correlations, rank violations, bias and agreement by episode.

Shapes: P policies, E episodes that every policy played both in truth and in imagination; success flags are [P, E] bool.
Intervals resample policies and episodes (an episode together with what was imagined of it), both with replacement: they
speak of other policies like these, on other starts like these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wm_lab.evaluation.bootstrap import RESAMPLES, percentile_bounds, resample_counts
from wm_lab.evaluation.interval import Interval

APART = 0.1
"""True success rates that are further apart than this should be ordered rightly."""

DECIMALS = 12
"""Of a rate, and of what is made of rates: what lies beyond is a computer's rounding."""

CLOSE = 1e-9
"""Rates that differ by no more than rounding are tied."""


@dataclass(frozen=True)
class PolicyRanking:
    """What one imagination says of P policies, beside the truth.

    Where imagination gives all policies one rate it orders nothing: then no correlation is defined (NaN).
    """

    pearson: Interval
    spearman: Interval
    mmrv: Interval  # mean maximum rank violation, success that a wrong order costs at most: 0 is perfect
    bias: Interval  # imagined minus true success
    agreement: Interval  # share of single episodes that end alike
    kappa: Interval  # the same beyond chance: 0 where it agrees by luck alone, 1 where always
    ordered: Interval  # share of pairs with true rates more than `APART` apart that imagination orders rightly


MEASURES = ("pearson", "spearman", "mmrv", "bias", "agreement", "kappa", "ordered")


def rank_policies(true: np.ndarray, imagined: np.ndarray, seed: int = 0) -> PolicyRanking:
    """How imagined success [P, E] orders policies whose true success is [P, E]; both bool.

    Of several imaginations [S, P, E], which are given, by the mean of their rates: each errs in its own way.
    """
    if true.shape != imagined.shape[-2:] or true.ndim != 2:
        raise ValueError(f"success must be [policies, episodes] twice, found {true.shape} and {imagined.shape}")
    several = imagined.reshape(-1, *true.shape)
    every = true, several.mean(0), (several == true).mean(0)
    found, again = _measures(*(flags.mean(1)[None] for flags in every)), _measures(*_resampled(every, seed))
    return PolicyRanking(**{name: _interval(found[name][0], again[name], min(true.shape)) for name in MEASURES})


def ranks_better(true: np.ndarray, imagined: np.ndarray, other: np.ndarray, seed: int = 0) -> Interval:
    """By how much Spearman's correlation of what is imagined exceeds that of another imagination, all [P, E] bool."""
    every = true, imagined, other
    rates, again = [flags.mean(1) for flags in every], _resampled(every, seed)
    value = float(spearman(rates[0], rates[1]) - spearman(rates[0], rates[2]))
    return _interval(value, spearman(again[0], again[1]) - spearman(again[0], again[2]), min(true.shape))


def mmrv(true: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Mean maximum rank violation of rates [..., P] (Li et al. 2024, SIMPLER, arXiv 2405.05941, equation 1)."""
    mean: np.ndarray = violations(true, imagined).mean(-1)
    return mean


def violations(true: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """Of each policy [..., P] the largest difference of true rates to another one that stands on its wrong side."""
    worst: np.ndarray = _wrong_gaps(true, imagined).max(-1)
    return worst


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of rates [..., P]; NaN where one of them is constant."""
    x, y = (values - values.mean(-1, keepdims=True) for values in (a, b))
    spread = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    found: np.ndarray = np.divide((x * y).sum(-1), spread, out=np.full(spread.shape, np.nan), where=spread > CLOSE)
    return found


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of ranks of rates [..., P], tied ones sharing theirs; NaN where one is constant."""
    return pearson(ranks(a), ranks(b))


def ranks(rates: np.ndarray) -> np.ndarray:
    """From 1, lowest rate first; tied ones share the mean of theirs. [..., P]"""
    below = _below(rates)  # [..., i, j]: i is below j
    found: np.ndarray = 1 + (below.sum(-2) + (below.shape[-1] - 1 - below.sum(-1))) / 2
    return found


def kappa(true: np.ndarray, imagined: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """Cohen's kappa of single episodes, of rates [..., P] and of the share that ends alike [..., P].

    What luck would make alike is reckoned for each policy by itself: that good policies are good is no agreement.
    """
    luck = (true * imagined + (1 - true) * (1 - imagined)).mean(-1)
    found: np.ndarray = np.divide(
        alike.mean(-1) - luck, 1 - luck, out=np.full(luck.shape, np.nan), where=1 - luck > CLOSE
    )
    return found


def misplaced(true: np.ndarray, imagined: np.ndarray) -> int:
    """Of rates [P], the policy whose place costs most true success; of several, whose own rate is furthest off.

    Of two that are tied in imagination alone, equation 1 lays the wrong order to the worse one's account; here it is
    laid to both, for it may be the better one that was not recognised.
    """
    gaps = _wrong_gaps(true, imagined)
    costs = np.maximum(gaps, gaps.T).max(-1)
    return int(np.lexsort((np.abs(true - imagined), costs.round(DECIMALS)))[-1])


def _resampled(every: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """Rates [R, P] of the policies that were drawn in the episodes that were drawn, the same of all flags [P, E]."""
    policies, episodes = every[0].shape
    random = np.random.default_rng(seed)
    weights = resample_counts(episodes, RESAMPLES, random) / episodes  # [R, E]
    drawn = random.integers(policies, size=(RESAMPLES, policies))
    return [np.take_along_axis((weights @ flags.T.astype(float)).round(DECIMALS), drawn, axis=1) for flags in every]


def _measures(true: np.ndarray, imagined: np.ndarray, alike: np.ndarray) -> dict[str, np.ndarray]:
    """Each [R], of rates [R, P]."""
    apart = (true[:, :, None] - true[:, None, :]) > APART  # i is better than j
    rightly = apart & _below(imagined).swapaxes(1, 2)
    pairs = apart.sum((1, 2))
    found = {
        "pearson": pearson(true, imagined),
        "spearman": spearman(true, imagined),
        "mmrv": mmrv(true, imagined),
        "bias": (imagined - true).mean(-1),
        "agreement": alike.mean(-1),
        "kappa": kappa(true, imagined, alike),
        "ordered": np.divide(rightly.sum((1, 2)), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0),
    }
    return {name: values.round(DECIMALS) + 0.0 for name, values in found.items()}  # no minus zero


def _wrong_gaps(true: np.ndarray, imagined: np.ndarray) -> np.ndarray:
    """[..., i, j] by how much true rates differ where imagination says otherwise whether i is below j; else 0."""
    gaps = np.abs(true[..., :, None] - true[..., None, :])
    found: np.ndarray = np.where(_below(true) != _below(imagined), gaps, 0.0)
    return found


def _below(rates: np.ndarray) -> np.ndarray:
    """[..., i, j] bool: i is below j."""
    found: np.ndarray = rates[..., :, None] < rates[..., None, :] - CLOSE
    return found


def _interval(value: float, resampled: np.ndarray, n: int) -> Interval:
    """Draws in which nothing is defined, such as one policy many times, are left out."""
    known = resampled[~np.isnan(resampled)]
    if np.isnan(value) or not len(known):
        return Interval(float("nan"), float("nan"), float("nan"), n)
    low, high = percentile_bounds(known, n=n)
    return Interval(min(float(low), float(value)), float(value), max(float(high), float(value)), n)
