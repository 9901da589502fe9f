"""Exploration: a policy whose actions are disturbed, each episode in a way drawn from a weighted mix.

A model learnt from an expert alone never sees what a wrong action does, and ends up blind to actions; one learnt from
random actions never sees the task. So each episode's own seed draws a behaviour between the two, and all its noise:

    action_t = clip(keep_t * policy_t + noise_t, -1, 1)

The noise is an Ornstein-Uhlenbeck process: white noise would average out before a hand has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from wm_lab.domains import ShareBelowOne, Spread, Steps, Weight
from wm_lab.errors import UserError, unknown
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task

EXPLORATION = 0x6578706C  # seeds this module's random stream, so that it is independent of the task's own


@dataclass
class ExplorationConfig:
    """How often each of `BEHAVIOURS` is played, and how strong the noise is."""

    weights: dict[str, Weight] = field(default_factory=lambda: {"noisy_policy": 1.0})
    """In proportion, one behaviour drawn per episode."""
    strengths: list[Spread] = field(default_factory=lambda: [0.1, 0.3, 0.5])  # noise std of the "noisy" behaviours
    correlation: ShareBelowOne = 0.8  # of the noise in neighbouring steps
    block: Steps = 12  # steps between changes of hands in "perturb_recover"

    def __post_init__(self) -> None:
        for name in self.weights:
            if name not in BEHAVIOURS:
                raise unknown("behaviour", name, BEHAVIOURS)
        if not sum(self.weights.values()) > 0:
            raise UserError(f"no behaviour has a weight above 0 (found {dict(self.weights)}); give one of them 1.0")
        if not self.strengths:
            raise UserError("data.strengths and data.round_strengths must hold at least one number; 0 is no noise")


class Exploration(Policy):
    """Plays `policy`, disturbed. An episode whose behaviour ignores the policy never asks it anything.

    share: how much of the noise each action dimension gets, [A] in [0, 1]; None: all of it
    """

    def __init__(self, policy: Policy, config: ExplorationConfig, share: Sequence[float] | None = None) -> None:
        self.policy = policy
        self.config = config
        self._share = np.float32(1) if share is None else np.asarray(share, np.float32)
        self.observation_keys = policy.observation_keys

    def start(self, rows: int) -> None:
        self.policy.start(rows)
        self._step = np.zeros(rows, int)
        self._led = np.zeros(rows, bool)  # the policy has a say in this row's episode
        self._keep = np.zeros((rows, 0), np.float32)  # [R, S], as long as the first episode that is reset
        self._noise = np.zeros((rows, 0, 0), np.float32)  # [R, S, A]

    def reset(self, row: int, task: Task, seed: int) -> None:
        steps, size = task.task_spec.episode_steps, task.task_spec.action_size
        if self._keep.shape[1] == 0:
            self._keep = np.zeros((len(self._step), steps), np.float32)
            self._noise = np.zeros((len(self._step), steps, size), np.float32)
        self._keep[row], noise = disturbance(self.config, seed, steps, size)
        self._noise[row] = self._share * noise
        self._step[row] = 0
        self._led[row] = self._keep[row].any()
        if self._led[row]:
            self.policy.reset(row, task, seed)

    def act(self, moment: Moment) -> np.ndarray:
        rows = moment.rows
        step = self._step[rows]
        self._step[rows] += 1
        action = self._noise[rows, step]
        led = self._led[rows]
        if led.any():
            asked = moment if led.all() else _some(moment, led)
            action[led] += self._keep[rows, step][led, None] * self.policy.act(asked)
        clipped: np.ndarray = np.clip(action, -1.0, 1.0)
        return clipped

    def report(self, row: int) -> dict[str, np.ndarray]:
        return self.policy.report(row) if self._led[row] else {}


class DrawnBehaviour(NamedTuple):
    """What an episode's seed drew."""

    behaviour: str
    strength: float
    generator: np.random.Generator  # the stream that the episode's noise continues


class Disturbance(NamedTuple):
    """What happens to the actions of an episode of S steps."""

    keep: np.ndarray  # [S] how much of the policy's action remains
    noise: np.ndarray  # [S, A] what is added


def choose(config: ExplorationConfig, seed: int) -> DrawnBehaviour:
    """The behaviour of the episode with this seed; pure, so that a record of it can be written anywhere."""
    generator = np.random.default_rng([EXPLORATION, seed])
    names = sorted(config.weights)  # the order in which a user wrote them must not matter
    weights = np.array([config.weights[name] for name in names])
    name = names[int(generator.choice(len(names), p=weights / weights.sum()))]
    drawn = float(generator.choice(config.strengths))
    fixed = BEHAVIOURS[name].strength
    return DrawnBehaviour(name, drawn if fixed is None else fixed, generator)


def disturbance(config: ExplorationConfig, seed: int, steps: int, size: int) -> Disturbance:
    """The disturbance of the episode with this seed."""
    choice = choose(config, seed)
    noise = choice.strength * ornstein_uhlenbeck(choice.generator, steps, size, config.correlation)
    return BEHAVIOURS[choice.behaviour].disturb(noise, config.block, choice.generator)


def ornstein_uhlenbeck(generator: np.random.Generator, steps: int, size: int, correlation: float) -> np.ndarray:
    """Noise [S, A] of unit variance from the first step on, whose neighbouring steps have this correlation."""
    noise = generator.standard_normal((steps, size))
    fresh = np.sqrt(1.0 - correlation**2)
    for t in range(1, steps):
        noise[t] = correlation * noise[t - 1] + fresh * noise[t]
    return noise


class ExplorationKind(NamedTuple):
    """One way to explore: how unit noise and the policy are put together."""

    disturb: Callable[[np.ndarray, int, np.random.Generator], Disturbance]  # (noise [S, A], block, generator)
    strength: float | None  # None: drawn from `strengths`, per episode


def _added(noise: np.ndarray, block: int, generator: np.random.Generator) -> Disturbance:
    return Disturbance(np.ones(len(noise)), noise)


def _alone(noise: np.ndarray, block: int, generator: np.random.Generator) -> Disturbance:
    return Disturbance(np.zeros(len(noise)), noise)


def _alternating(noise: np.ndarray, block: int, generator: np.random.Generator) -> Disturbance:
    """Noise pushes the episode off its way, then the policy brings it back; a random phase varies where."""
    step = np.arange(len(noise)) + generator.integers(2 * block)
    keep = ((step // block) % 2).astype(float)
    return Disturbance(keep, (1.0 - keep)[:, None] * noise)


BEHAVIOURS: dict[str, ExplorationKind] = {
    "expert": ExplorationKind(_added, strength=0.0),
    "noisy_expert": ExplorationKind(_added, strength=None),
    "noisy_policy": ExplorationKind(_added, strength=None),  # the same, under a true name where no expert plays
    "perturb_recover": ExplorationKind(_alternating, strength=1.0),
    "random": ExplorationKind(_alone, strength=1.0),
}


def _some(moment: Moment, mask: np.ndarray) -> Moment:
    observation = {key: value[mask] for key, value in moment.observation.items()}
    return Moment(moment.rows[mask], observation, moment.previous_action[mask], moment.first[mask])
