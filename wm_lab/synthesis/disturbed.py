"""Extra demonstrations without a model: the rows that synthetic data must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wm_lab.data.behaviours import ornstein_uhlenbeck
from wm_lab.data.episode import Episode
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.policies.seeding import derive_seed
from wm_lab.policy import Moment
from wm_lab.tasks.task import Task
from wm_lab.world_model import DataSpec

INTENDED = "intended"


def with_state_noise(
    episodes: Sequence[Episode], spec: DataSpec, strength: float, copies: int, rng: np.random.Generator
) -> list[Episode]:
    """Copies whose vectors are disturbed by Gaussian noise of `strength` one-step changes; actions stay."""

    def disturbed(episode: Episode) -> Episode:
        observation = dict(episode.observation)
        for key, shape in spec.observation.items():
            if len(shape) == 1:
                noise = strength * np.array(spec.std_change[key]) * rng.standard_normal(episode.observation[key].shape)
                observation[key] = (episode.observation[key] + noise).astype(np.float32)
        return replace(episode, observation=observation)

    return [disturbed(episode) for _ in range(copies) for episode in episodes]


class DisturbedExpert(ExpertPolicy):
    """The expert under noise that remembers what it meant to do (DART, Laskey et al. 2017, arXiv 1703.09327)."""

    def __init__(self, strength: float, correlation: float) -> None:
        self.strength, self.correlation = strength, correlation

    def start(self, rows: int) -> None:
        super().start(rows)
        self._noise: list[np.ndarray] = [np.zeros((0, 0))] * rows
        self._intended: list[list[np.ndarray]] = [[] for _ in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        super().reset(row, task, seed)
        rng = np.random.default_rng(derive_seed(seed, "disturbed expert"))
        steps, size = task.task_spec.episode_steps, task.task_spec.action_size
        self._noise[row] = self.strength * ornstein_uhlenbeck(rng, steps, size, self.correlation)
        self._intended[row] = []

    def act(self, moment: Moment) -> np.ndarray:
        meant = super().act(moment)
        step = [len(self._intended[row]) for row in moment.rows]
        for row, action in zip(moment.rows, meant, strict=True):
            self._intended[row].append(action)
        noise = np.stack([self._noise[row][k] for row, k in zip(moment.rows, step, strict=True)])
        disturbed: np.ndarray = (meant + noise).clip(-1, 1).astype(np.float32)
        return disturbed

    def report(self, row: int) -> dict[str, np.ndarray]:
        return {INTENDED: np.stack(self._intended[row])}


def as_intended(episode: Episode) -> Episode:
    """A disturbed expert's episode, labelled by what it meant to do."""
    return replace(episode, action=np.concatenate([episode.action[:1], episode.report[INTENDED]]))
