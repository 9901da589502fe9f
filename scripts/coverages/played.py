"""Intervals over played episodes: success rates, differences of two arms, and means of returns, steps and promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from row import Rng, Row, holds, seeds_of
from worlds import CLONES, beta_flags, clone_flags, flags, luck_of_episodes, numbers

from wm_lab.evaluation.means import skewed_bounds
from wm_lab.evaluation.over_seeds import difference_bounds, mean_bounds, over_seeds, rate_bounds

EPISODES = (50, 100)
FAST = 5.0

BANDS = ((0.5, 0.7), (0.7, 0.9), (0.9, 0.98))
"""True rates; of failure they are the same."""
GRID = 11

SHAPES: dict[str, tuple[Callable[..., np.ndarray], float]] = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "uniform": (lambda rng, shape: rng.random(shape), 0.5),
    "Student's of 4": (lambda rng, shape: rng.standard_t(4, shape), 0.0),
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "log-normal 0.5": (lambda rng, shape: np.exp(0.5 * rng.normal(size=shape)), np.exp(0.125)),
    "log-normal 1": (lambda rng, shape: np.exp(rng.normal(size=shape)), np.exp(0.5)),
}


def rows() -> Iterator[Row]:
    for seeds in (1, 2, 3, 5):
        for band in BANDS:
            told = f"{band[0]} to {band[1]}, {seeds_of(seeds)}"
            for spread in (0.0, 0.5, 1.2) if seeds > 1 else (0.0,):
                what = f"{told}, spread {spread}" if seeds > 1 else told
                yield Row("success rate", what, partial(_rate, seeds, band, spread), FAST)
        for band, deviation in (((0.5, 0.64), 0.25), ((0.7, 0.8), 0.19)) if seeds > 1 else ():
            what = f"{band[0]} to {band[1]}, {seeds_of(seeds)}, beta ± {deviation}"
            yield Row("success rate", what, partial(_beta_rate, seeds, band, deviation), FAST)
        if seeds > 1:
            told = f"{seeds_of(seeds)} out of {', '.join(map(str, CLONES))}"
            yield Row("success rate of two kinds", told, partial(_clones, seeds), FAST)
    yield from _differences()
    yield from _means()


def _differences() -> Iterator[Row]:
    for seeds in (1, 2, 3, 5):
        for a, b in ((1.0, 0.64), (0.9, 0.9), (0.7, 0.5), (0.3, 0.1)):
            for sides, mine, theirs in (("both", 0.5, 0.5), ("both", 0.3, 1.2), ("b alone", 0.0, 1.2)):
                if seeds > 1 or (sides, theirs) == ("both", 0.5):
                    told = f"{a} − {b}, {seeds_of(seeds)}" + (f", {sides} spread {mine}, {theirs}" if seeds > 1 else "")
                    spreads = (mine, theirs) if seeds > 1 else (0.0, 0.0)
                    held = partial(_difference, seeds, a, b, *spreads, sides != "both")
                    yield Row("paired difference", told, held, FAST)


def _means() -> Iterator[Row]:
    for seeds in (2, 3, 5):
        for spread in (0.0, 0.2, 1.0):
            for skewed in (False, True):
                told = f"{seeds_of(seeds)}, spread {spread}{', skewed' if skewed else ''}"
                yield Row("mean over seeds and episodes", told, partial(_number, seeds, spread, skewed), FAST)
    for seeds in (1, 3):
        for rate in (0.3, 0.8):
            yield Row("mean of the solved", f"{rate} solved, {seeds_of(seeds)}", partial(_steps, seeds, rate))
    for episodes in (20, 50, 100):
        for name, (draw, truth) in SHAPES.items():
            held = partial(_mean, episodes, draw, truth)
            yield Row("mean over episodes", f"{name}, {episodes} episodes", held, 2 * FAST)
    for episodes in (5, 10, 25):
        yield Row("mean rank correlation", f"{episodes} episodes", partial(_correlation, episodes), 2 * FAST)


def _grid(low: float, high: float) -> np.ndarray:
    return np.linspace(low, high, GRID)


def _over_grid(one: Callable[[np.ndarray, float], np.ndarray], rng: Rng, grid: np.ndarray, n: int) -> np.ndarray:
    """[G, N] of `one(luck [N, 1, E], true value)`, half of the experiments of 50 and half of 100 episodes."""
    each = max(n // len(grid) // len(EPISODES), 1)
    return np.array(
        [np.concatenate([one(luck_of_episodes(rng, each, episodes), value) for episodes in EPISODES]) for value in grid]
    )


def _rate(seeds: int, band: tuple[float, float], spread: float, rng: Rng, n: int) -> np.ndarray:
    def one(luck: np.ndarray, rate: float) -> np.ndarray:
        return holds(rate_bounds(flags(rng, luck, seeds, rate, spread)), rate)

    return _over_grid(one, rng, _grid(*band), n)


def _beta_rate(seeds: int, band: tuple[float, float], deviation: float, rng: Rng, n: int) -> np.ndarray:
    def one(luck: np.ndarray, rate: float) -> np.ndarray:
        return holds(rate_bounds(beta_flags(rng, luck, seeds, np.asarray(rate), deviation)), rate)

    return _over_grid(one, rng, _grid(*band), n)


def _clones(seeds: int, rng: Rng, n: int) -> np.ndarray:
    truth = float(np.mean(CLONES))
    return _over_grid(
        lambda luck, rate: holds(rate_bounds(clone_flags(rng, luck, seeds)), rate), rng, np.array([truth]), n
    )


def _difference(
    seeds: int, a: float, b: float, mine: float, theirs: float, steady: bool, rng: Rng, n: int
) -> np.ndarray:
    def one(luck: np.ndarray, other: float) -> np.ndarray:
        shape = (len(luck), 1 if steady else seeds, luck.shape[-1])
        first = np.ones(shape, bool) if a == 1 else flags(rng, luck, shape[1], a, mine)
        second = flags(rng, luck, seeds, other, theirs)
        return holds(difference_bounds(*np.broadcast_arrays(first, second)), a - other)

    return _over_grid(one, rng, _grid(b - 0.05, b + 0.05), n)


def _number(seeds: int, spread: float, skewed: bool, rng: Rng, n: int) -> np.ndarray:
    def one(luck: np.ndarray, truth: float) -> np.ndarray:
        return holds(mean_bounds(numbers(rng, luck, seeds, spread, skewed)), truth)

    return _over_grid(one, rng, np.zeros(1), n)


def _steps(seeds: int, rate: float, rng: Rng, n: int) -> np.ndarray:
    """Steps to success, which only solved episodes have; easy ones are solved sooner, and by more."""

    def draw(count: int) -> np.ndarray:
        luck = luck_of_episodes(rng, count, 100)
        solved = flags(rng, luck, seeds, rate, 0.5 * (seeds > 1))
        own = 0.1 * (seeds > 1) * rng.normal(size=(count, seeds, 1)) + 0.3 * rng.normal(size=solved.shape)
        return np.where(solved, np.ceil(10 * np.exp(own - 0.2 * luck)), np.nan)

    truth = float(np.nanmean(draw(20_000 // seeds)))
    found = map(over_seeds, draw(n))
    return np.array([[holds((np.float64(one.low), np.float64(one.high)), truth) for one in found]])


def _mean(episodes: int, draw: Callable[..., np.ndarray], truth: float, rng: Rng, n: int) -> np.ndarray:
    x = draw(rng, (episodes, n))
    return holds(skewed_bounds(x.mean(0), x), truth)[None]


def _correlation(episodes: int, rng: Rng, n: int) -> np.ndarray:
    """Of a few decisions an episode, most of them high."""

    def draw(count: int) -> np.ndarray:
        return np.tanh(0.8 + 0.5 * rng.normal(size=(episodes, 1, count)) + 0.3 * rng.normal(size=(episodes, 4, count)))

    x = draw(n).mean(1)
    return holds(skewed_bounds(x.mean(0), x), float(draw(400_000 // episodes).mean()))[None]
