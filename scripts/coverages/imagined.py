"""Intervals over windows of imagination: errors, skill and horizons, of one training and of several.

An error is a baseline of the window times factors: the episode's luck, which all predictors share in part, what a
predictor makes of it, the window's own, and the training's. Factors are log-normal, so medians and ratios are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from row import Rng, Row, holds, seeds_of
from scipy import special

from wm_lab.evaluation.assessment import OVERALL, PERSISTENCE, Assessment, assess
from wm_lab.evaluation.bootstrap import resample_counts
from wm_lab.evaluation.horizon import Horizon, find_horizon, shortest
from wm_lab.evaluation.ratio import ratio_bounds
from wm_lab.evaluation.trainings import over_assessments, over_horizons

WINDOWS = 4
"""Of an episode at most."""

STEPS = 20
CROSSINGS = np.linspace(9.05, 9.95, 10)
"""Steps up to which, in truth, something holds: whole steps are told, so coverage turns on what lies between two."""

RESAMPLES = 500
SEVERAL = 0.3
"""Of what several trainings found: as many experiments, of those that are asked for."""

HORIZONS = ("skill", "tolerance", "useful", "actions")


def rows() -> Iterator[Row]:
    for episodes in (15, 30, 100):
        for mine, theirs in ((0.5, 0.5), (1.0, 1.0)):
            told = f"errors spread {mine} and {theirs}, {episodes} episodes"
            yield Row("ratio of errors (skill)", told, partial(_ratio, episodes, mine, theirs))
        for kind in ("median", "mean"):
            told = f"windows of {episodes} episodes"
            yield Row(f"{kind} error", told, partial(_error, kind, 1, 0.0, episodes))
    for kind in HORIZONS:
        for episodes, shallow in ((15, 1.0), (30, 1.0), (100, 1.0), (30, 0.3)):
            told = f"{episodes} episodes" + (", hardly falling" if shallow < 1 else "")
            yield Row(f"horizon: {kind}", told, partial(_horizon, kind, 1, 0.0, shallow, episodes))
    for seeds in (2, 3, 5):
        for spread in (0.0, 0.1, 0.4):
            told = f"{seeds_of(seeds)}, spread {spread}"
            for kind in ("median", "mean"):
                yield Row(f"{kind} error over trainings", told, partial(_error, kind, seeds, spread, 30))
            yield Row("skill over trainings", told, partial(_skill, seeds, spread, 30))
            for kind in ("skill", "actions"):
                held = partial(_horizon, kind, seeds, 10 * spread, 1.0, 30)
                what = f"{seeds_of(seeds)}, spread of {10 * spread:g} steps"
                yield Row(f"horizon over trainings: {kind}", what, held, SEVERAL)


def _ratio(episodes: int, mine: float, theirs: float, rng: Rng, n: int) -> np.ndarray:
    shared, own, other = rng.normal(size=(3, episodes, n))
    top, bottom = (np.exp(s * (0.8 * shared + 0.6 * x)) for s, x in ((mine, own), (theirs, other)))
    bounds = ratio_bounds(top, bottom, resample_counts(episodes, 1000, rng))
    return holds(bounds, np.exp((mine**2 - theirs**2) / 2))[None]


def _windows(rng: Rng, episodes: int) -> np.ndarray:
    """[W] whose episode each window is of; some episodes are short."""
    return np.repeat(np.arange(episodes), rng.integers(1, WINDOWS + 1, size=episodes))


def _worlds(seeds: int, spread: float, episodes: int, rng: Rng, n: int) -> tuple[list[Assessment], np.ndarray]:
    """What S trainings found in n experiments, in the place of steps; and the log [S, n] of how wrong each is."""
    episode = _windows(rng, episodes)
    own = spread * rng.normal(size=(seeds, n))
    shared, still = 0.5 * rng.normal(size=(2, episodes, n))[:, episode]
    windows = 0.5 * rng.normal(size=(len(episode), n))
    base = {OVERALL: np.exp(shared + still + windows)}
    found = []
    for logarithm in own:
        mine = shared + windows + 0.2 * rng.normal(size=(episodes, n))[episode] + 0.2 * rng.normal(size=windows.shape)
        error = {OVERALL: np.exp(logarithm + mine)}
        found.append(assess(error, {PERSISTENCE: base}, episode, (), resamples=RESAMPLES))
    return found, own


ALONE = 0.5**2 + 0.5**2 + 2 * 0.2**2
"""Variance of a model's log error beside what its training makes of it."""

BASE = 3 * 0.5**2
"""And of persistence's."""


def _error(kind: str, seeds: int, spread: float, episodes: int, rng: Rng, n: int) -> np.ndarray:
    found, _ = _worlds(seeds, spread, episodes, rng, n)
    curve = over_assessments([{"all": one} for one in found])["all"].curves["model"][OVERALL]
    truth = np.exp(spread**2 / 2 + (ALONE / 2 if kind == "mean" else 0))
    return holds((getattr(curve, f"{kind}_low"), getattr(curve, f"{kind}_high")), truth)[None]


def _skill(seeds: int, spread: float, episodes: int, rng: Rng, n: int) -> np.ndarray:
    found, _ = _worlds(seeds, spread, episodes, rng, n)
    skill = over_assessments([{"all": one} for one in found])["all"].skill[PERSISTENCE][OVERALL]
    return holds((skill.low, skill.high), 1 - np.exp(spread**2 / 2 + (ALONE - BASE) / 2))[None]


def _falling(kind: str, crossings: np.ndarray, slope: float, episodes: int, rng: Rng) -> list[Horizon]:
    """What S trainings found of the same episodes, where something holds up to `crossings` [S] in truth.

    An episode's luck and each of its steps are worth 4 steps of a slope of 1; a fifth of the luck is a training's own.
    """
    steps, counts = np.arange(1, STEPS + 1), resample_counts(episodes, RESAMPLES, rng)
    shared = rng.normal(size=(2, episodes, 1))
    found = []
    for crossing in crossings:
        luck = 4 * (np.sqrt(0.8) * shared + np.sqrt(0.2) * rng.normal(size=shared.shape))
        margins = slope * (crossing - steps) + luck + 4 * rng.normal(size=(2, episodes, STEPS))
        if kind == "tolerance":  # a share of windows, which stay inside for as many steps as they are lucky
            inside = steps < crossing + luck[0] / slope
            found.append(find_horizon(inside.mean(0), counts @ inside / episodes, at_least=0.5, n=episodes))
            continue
        both = [
            find_horizon(m.mean(0), counts @ m / episodes, above=0.0, n=episodes, unbroken=kind != "actions")
            for m in (margins[0], margins[1] + slope)
        ]
        found.append(shortest(both) if kind == "useful" else both[0])
    return found


def _horizon(kind: str, seeds: int, spread: float, slope: float, episodes: int, rng: Rng, n: int) -> np.ndarray:
    others = spread * special.ndtri((np.arange(999) + 0.5) / 999)

    def one(crossing: float) -> bool:
        found = over_horizons(_falling(kind, crossing + spread * rng.normal(size=seeds), slope, episodes, rng))
        truth = (np.ceil(crossing + others) - 1).clip(0, STEPS).mean()
        return bool(found.low <= truth <= found.high)

    return np.array([[one(crossing) for _ in range(max(n // len(CROSSINGS), 1))] for crossing in CROSSINGS])
