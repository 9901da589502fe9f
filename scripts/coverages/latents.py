"""Intervals of what can be read from a representation and of how it is laid out, over trajectories and trainings.

A world is a line through features that walk slowly, with noise that a trajectory shares in part. Trainings look at the
same trajectories through turned axes, with more or less noise of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from row import Rng, Row, holds, seeds_of

from wm_lab.evaluation.embedding import trustworthiness, tsne
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.probes import Explained, Probe, cross_validate, mlp, ridge
from wm_lab.evaluation.structure import (
    distances,
    effective_rank,
    jackknife,
    mutual_information,
    neighbour_ratio,
    silhouette,
    spearman,
    standardised,
    straightness,
)
from wm_lab.evaluation.trainings import over_trainings

FRAMES = 10
UNSEEN = 5000
"""Trajectories that stand for all others."""

ENOUGH = 60
"""Probes whose mean is the truth."""

RESAMPLES = 500

OFTEN, SELDOM, HARDLY = 0.5, 0.2, 0.05
"""How many experiments, of those that are asked for: probes and neighbours take their time, networks and t-SNE more."""


def rows() -> Iterator[Row]:
    for trajectories, features, noise in ((25, 16, 0.5), (50, 64, 0.2), (100, 8, 0.5), (100, 32, 0.5), (100, 64, 2.0)):
        told = f"{features} features, noise {noise}, {trajectories} trajectories"
        yield Row("R² of probes", told, partial(_r2, ridge, 1, 0.0, trajectories, features, noise), OFTEN)
        held = partial(_gain, 1, trajectories, features, noise)
        yield Row("R² gained", told, held, SELDOM)
    yield Row("R² of networks", "8 features, noise 0.5, 50 trajectories", partial(_r2, mlp, 1, 0.0, 50, 8, 0.5), HARDLY)
    for seeds in (3, 5):
        for spread in (0.0, 0.5):
            told = f"{seeds_of(seeds)}, spread {spread}, 16 features, 50 trajectories"
            yield Row("R² over trainings", told, partial(_r2, ridge, seeds, spread, 50, 16, 0.5), SELDOM)
    for name, measure in MEASURES.items():
        yield Row(name, "30 trajectories", partial(_layout, measure, 30), SELDOM)
    yield Row("trustworthiness", "60 scenes", _pictures, HARDLY)


class Encoder:
    """Features of trajectories of which a line, and noise that a whole trajectory shares, make the target."""

    def __init__(self, rng: Rng, features: int, noise: float) -> None:
        self.rng, self.noise = rng, noise
        self.weights = rng.normal(size=features) / np.sqrt(features)

    def draw(self, trajectories: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features [M, F], targets [M, 1] and whose frames they are [M]."""
        shape, rng = (trajectories, FRAMES, len(self.weights)), self.rng
        walk = np.cumsum(rng.normal(size=shape), 1) / np.sqrt(FRAMES)
        x = rng.normal(size=(trajectories, 1, shape[2])) + 0.5 * walk
        shared = rng.normal(size=(trajectories, 1)) + rng.normal(size=shape[:2])
        y = x @ self.weights + self.noise * np.sqrt(0.5) * shared
        return x.reshape(-1, shape[2]), y.reshape(-1, 1), np.repeat(np.arange(trajectories), FRAMES)


class Reader:
    """What probes of as many trajectories as a fold leaves reach on average on all others: the true R²."""

    def __init__(self, world: Encoder, probe: Probe) -> None:
        self.probe = probe
        self.x, self.y, _ = world.draw(UNSEEN)
        self.missed: list[float] = []

    def learn(self, x: np.ndarray, y: np.ndarray, trajectory: np.ndarray, unseen: np.ndarray) -> None:
        if len(self.missed) > ENOUGH:
            return
        known = trajectory < (trajectory.max() + 1) * 4 // 5
        mean = y[known].mean(0)
        said = self.probe(x[known], y[known] - mean, trajectory[known], unseen)
        self.missed.append(float(np.square(self.y - mean - said).sum()))

    @property
    def r2(self) -> float:
        return 1 - float(np.mean(self.missed) / np.square(self.y - self.y.mean()).sum())


def _r2(
    probe: Probe, seeds: int, spread: float, trajectories: int, features: int, noise: float, rng: Rng, n: int
) -> np.ndarray:
    world = Encoder(rng, features, noise)
    reader, found = Reader(world, probe), []
    for _ in range(n):
        x, y, trajectory = world.draw(trajectories)
        one = []
        for _ in range(seeds):
            blur = spread * rng.exponential()  # what this training's latent adds to every feature
            seen, unseen = (part + blur * rng.normal(size=part.shape) for part in (x, reader.x))
            one.append(cross_validate(seen, y, trajectory, probe).explained(slice(None)).interval(RESAMPLES))
            reader.learn(seen, y, trajectory, unseen)
        found.append(over_trainings(one, most=1.0))
    return _held(found, reader.r2)


def _gain(seeds: int, trajectories: int, features: int, noise: float, rng: Rng, n: int) -> np.ndarray:
    """Of a latent over one that blurs its features."""
    world = Encoder(rng, features, noise)
    readers, found = [Reader(world, ridge) for _ in range(2)], []
    readers[1].x, readers[1].y = readers[0].x, readers[0].y
    for _ in range(n):
        x, y, trajectory = world.draw(trajectories)
        told: list[Explained] = []
        for reader, blur in zip(readers, (0.0, 0.5), strict=True):
            seen, unseen = (part + blur * rng.normal(size=part.shape) for part in (x, reader.x))
            told.append(cross_validate(seen, y, trajectory, ridge).explained(slice(None)))
            reader.learn(seen, y, trajectory, unseen)
        found.append(told[0].minus(told[1], RESAMPLES))
    return _held(found, readers[0].r2 - readers[1].r2)


class Scene:
    """Trajectories whose frames drift from one phase to the next, seen through a noisy latent."""

    def __init__(self, rng: Rng, trajectories: int) -> None:
        shape = (trajectories, FRAMES, 4)
        walk = np.cumsum(rng.normal(size=shape), 1) / np.sqrt(FRAMES)
        state = rng.normal(size=(trajectories, 1, 4)) + walk
        state[..., 0] += np.linspace(0, 3, FRAMES) + 0.5 * rng.normal(size=(trajectories, 1))
        self.phase = np.digitize(state[..., 0].ravel(), [0.5, 2.0])
        self.state = state.reshape(-1, 4)
        mixed = state @ MIXING + 0.5 * rng.normal(size=(trajectories, FRAMES, MIXING.shape[1]))
        self.latent = mixed.reshape(-1, MIXING.shape[1])
        self.trajectory = np.repeat(np.arange(trajectories), FRAMES)


MIXING = np.random.default_rng(0).normal(size=(4, 8))

MEASURES: dict[str, Callable[[Scene], Interval]] = {
    "neighbours' distance": lambda s: neighbour_ratio(_apart(s.latent), _apart(s.state), s.trajectory, 5),
    "ρ of distances": lambda s: spearman(_apart(s.latent), _apart(s.state), s.trajectory),
    "silhouette": lambda s: silhouette(_apart(s.latent), s.phase, s.trajectory),
    "mutual information": lambda s: mutual_information(standardised(s.latent), s.phase, s.trajectory),
    "effective rank": lambda s: jackknife(lambda kept: effective_rank(s.latent[kept]), s.trajectory),
    "straightness": lambda s: straightness(s.latent, s.trajectory, RESAMPLES),
}


def _apart(x: np.ndarray) -> np.ndarray:
    return distances(standardised(x))


def _layout(measure: Callable[[Scene], Interval], trajectories: int, rng: Rng, n: int) -> np.ndarray:
    """Of what as many trajectories show on average: every figure of neighbours depends on how many there are."""
    found = [measure(Scene(rng, trajectories)) for _ in range(n)]
    return _held(found, float(np.mean([one.value for one in found])))


def _pictures(rng: Rng, n: int) -> np.ndarray:
    """Of t-SNE pictures of scenes of one trajectory each."""
    found = []
    for _ in range(n):
        x = standardised(Scene(rng, 60).latent[::FRAMES])
        found.append(mean(trustworthiness(x, tsne(x, 10.0))))
    return _held(found, float(np.mean([one.value for one in found])))


def _held(found: list[Interval], truth: float) -> np.ndarray:
    low, high = np.array([(one.low, one.high) for one in found]).T
    return holds((low, high), truth)[None]
