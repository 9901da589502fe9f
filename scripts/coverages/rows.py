"""Every kind of interval that a table shows, in the experiments that occur: how many of a hundred hold the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import special
from worlds import Encoder, Rng, beta_flags, flags, luck_of_episodes, numbers

from wm_lab.evaluation.aggregates import iqm, iqm_interval
from wm_lab.evaluation.assessment import OVERALL, assess
from wm_lab.evaluation.bootstrap import resample_counts
from wm_lab.evaluation.horizon import find_horizon
from wm_lab.evaluation.means import skewed_bounds
from wm_lab.evaluation.over_seeds import difference_bounds, mean_bounds, rate_bounds
from wm_lab.evaluation.probes import read, ridge
from wm_lab.evaluation.ratio import ratio_bounds

EPISODES = (50, 100)
SLOW = 10
"""One in so many experiments, of what is fitted or resampled."""


class Row(NamedTuple):
    interval: str
    scenario: str
    covered: Callable[[Rng, int], float]  # of so many experiments


def rows() -> Iterator[Row]:
    yield from _rates()
    yield from _differences()
    yield from _numbers()
    yield from _others()


def _rates() -> Iterator[Row]:
    for seeds in (1, 2, 3, 5):
        for rate in (0.02, 0.1, 0.3, 0.5, 0.64, 0.8, 0.9, 0.98):
            for spread in (0.0, 0.5, 1.2) if seeds > 1 else (0.0,):
                told = f"{rate}, {_seeds(seeds)}, spread {spread}" if seeds > 1 else f"{rate}, one seed"
                yield Row("success rate", told, partial(_rate, seeds, rate, spread))
        for rate, deviation in ((0.5, 0.25), (0.64, 0.25), (0.8, 0.19)) if seeds > 1 else ():
            told = f"{rate}, {_seeds(seeds)}, beta ± {deviation}"
            yield Row("success rate", told, partial(_beta_rate, seeds, rate, deviation))


def _differences() -> Iterator[Row]:
    for seeds in (1, 2, 3, 5):
        for a, b in ((1.0, 0.64), (0.9, 0.9), (0.7, 0.5), (0.3, 0.1)):
            for sides, mine, theirs in (("both", 0.5, 0.5), ("both", 0.3, 1.2), ("b alone", 0.0, 1.2)):
                if seeds > 1 or (sides, theirs) == ("both", 0.5):
                    told = f"{a} − {b}, {_seeds(seeds)}" + (f", {sides} spread {mine}, {theirs}" if seeds > 1 else "")
                    spreads = (mine, theirs) if seeds > 1 else (0.0, 0.0)
                    yield Row("paired difference", told, partial(_difference, seeds, a, b, *spreads, sides != "both"))


def _numbers() -> Iterator[Row]:
    for seeds in (2, 3, 5):
        for spread in (0.0, 0.2, 1.0):
            for skewed in (False, True):
                told = f"{_seeds(seeds)}, spread {spread}{', skewed' if skewed else ''}"
                yield Row("mean over seeds and episodes", told, partial(_number, seeds, spread, skewed))
    for episodes in (20, 50, 100):
        for name, (draw, truth) in SHAPES.items():
            yield Row("mean over episodes", f"{name}, {episodes} episodes", partial(_mean, episodes, draw, truth))


def _others() -> Iterator[Row]:
    for episodes in (15, 30, 100):
        for mine, theirs in ((0.5, 0.5), (1.0, 1.0)):
            told = f"errors spread {mine} and {theirs}, {episodes} episodes"
            yield Row("ratio of errors (skill)", told, partial(_ratio, episodes, mine, theirs))
        yield Row("median error", f"windows of {episodes} episodes", partial(_median, episodes))
        yield Row("horizon", f"crossing at step 9, {episodes} episodes", partial(_horizon, episodes, True))
        yield Row("horizon of actions", f"crossing at step 9, {episodes} episodes", partial(_horizon, episodes, False))
    for trajectories, features, noise in ((25, 16, 0.5), (50, 64, 0.2), (100, 8, 0.5), (100, 32, 0.5), (100, 64, 2.0)):
        told = f"{features} features, noise {noise}, {trajectories} trajectories"
        yield Row("R² of probes", told, partial(_probe, trajectories, features, noise))
    for seeds in (2, 3, 5):
        for tasks in (2, 3, 5, 8):
            yield Row("IQM over tasks", f"{tasks} tasks, {_seeds(seeds)}", partial(_iqm, seeds, tasks))


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _held(bounds: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    low, high = bounds
    return float(np.mean((low <= truth + 1e-9) & (truth - 1e-9 <= high)))


def _over_episodes(one: Callable[[np.ndarray], float], rng: Rng, experiments: int) -> float:
    half = experiments // len(EPISODES)
    return float(np.mean([one(luck_of_episodes(rng, half, episodes)) for episodes in EPISODES]))


def _rate(seeds: int, rate: float, spread: float, rng: Rng, experiments: int) -> float:
    return _over_episodes(
        lambda luck: _held(rate_bounds(flags(rng, luck, seeds, rate, spread)), rate), rng, experiments
    )


def _beta_rate(seeds: int, rate: float, deviation: float, rng: Rng, experiments: int) -> float:
    def one(luck: np.ndarray) -> float:
        return _held(rate_bounds(beta_flags(rng, luck, seeds, rate, deviation)), rate)

    return _over_episodes(one, rng, experiments)


def _difference(
    seeds: int, a: float, b: float, mine: float, theirs: float, steady: bool, rng: Rng, experiments: int
) -> float:
    def one(luck: np.ndarray) -> float:
        first = flags(rng, luck, 1 if steady else seeds, a, mine)
        second = flags(rng, luck, seeds, b, theirs)
        return _held(difference_bounds(*np.broadcast_arrays(first, second)), a - b)

    return _over_episodes(one, rng, experiments)


def _number(seeds: int, spread: float, skewed: bool, rng: Rng, experiments: int) -> float:
    return _over_episodes(
        lambda luck: _held(mean_bounds(numbers(rng, luck, seeds, spread, skewed)), 0), rng, experiments
    )


SHAPES: dict[str, tuple[Callable[..., np.ndarray], float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "log-normal 0.5": (lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)), np.exp(0.125)),
    "log-normal 1": (lambda rng, shape: np.exp(rng.normal(size=shape)), np.exp(0.5)),
}


def _mean(episodes: int, draw: Callable[..., np.ndarray], truth: float, rng: Rng, experiments: int) -> float:
    x = draw(rng, (episodes, experiments))
    return _held(skewed_bounds(x.mean(0), x), truth)


def _ratio(episodes: int, mine: float, theirs: float, rng: Rng, experiments: int) -> float:
    shared, own, other = rng.normal(size=(3, episodes, experiments))
    top, bottom = (np.exp(s * (0.8 * shared + 0.6 * x)) for s, x in ((mine, own), (theirs, other)))
    return _held(ratio_bounds(top, bottom, resample_counts(episodes, 1000, rng)), np.exp((mine**2 - theirs**2) / 2))


def _median(episodes: int, rng: Rng, experiments: int) -> float:
    luck = rng.normal(size=(episodes, experiments)).repeat(4, 0)
    same = {OVERALL: np.exp(luck + rng.normal(size=luck.shape))}
    index = np.arange(episodes).repeat(4)
    curve = assess(same, {"persistence": same}, index, (), resamples=500).curves["model"][OVERALL]
    return _held((curve.median_low, curve.median_high), 1.0)


def _horizon(episodes: int, unbroken: bool, rng: Rng, experiments: int) -> float:
    truth, hits = 9.5 - np.arange(1, 21), []
    for _ in range(experiments // SLOW):
        data = truth + 4 * rng.normal(size=(episodes, 1)) + 4 * rng.normal(size=(episodes, 20))
        drawn = resample_counts(episodes, 500, rng) @ data / episodes
        found = find_horizon(data.mean(0), drawn, above=0.0, n=episodes, unbroken=unbroken)
        hits.append(found.low <= 9 <= found.high)
    return float(np.mean(hits))


def _probe(trajectories: int, features: int, noise: float, rng: Rng, experiments: int) -> float:
    """Of what probes of as many trajectories as a fold leaves reach on average on all others."""
    world = Encoder(rng, features, noise)
    unseen, truth, _ = world.draw(2000)
    spread, found, reached = np.square(truth - truth.mean()).sum(), [], []
    for _ in range(experiments // SLOW):
        x, y, trajectory = world.draw(trajectories)
        found.append(read(x, y, trajectory, ridge).explained(slice(None)).interval(500))
        known = trajectory < trajectories * 4 // 5
        mean = y[known].mean(0)
        reached.append(np.square(truth - mean - ridge(x[known], y[known] - mean, trajectory[known], unseen)).sum())
    r2 = 1 - np.mean(reached) / spread
    return float(np.mean([one.low <= r2 <= one.high for one in found]))


def _iqm(seeds: int, tasks: int, rng: Rng, experiments: int) -> float:
    odds = np.linspace(-1.5, 2.5, tasks)
    truth = iqm(special.expit(odds + 1.2 * rng.normal(size=(20_000, tasks))))
    rates = rng.binomial(100, special.expit(odds + 1.2 * rng.normal(size=(experiments, seeds, tasks)))) / 100
    return float(np.mean([found.low <= truth <= found.high for found in map(iqm_interval, rates)]))
