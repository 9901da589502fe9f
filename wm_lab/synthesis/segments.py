"""Synthetic data: short segments that depart from real episodes, and where they departed.

Letters in shapes: M segments, K actions before the first kept row, L labelled actions, A action dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.errors import UserError
from wm_lab.tasks.task import Relocation

Observations = dict[str, np.ndarray]
"""{key: [M, steps, ...]}"""


@dataclass(frozen=True)
class Starts:
    """M recorded steps to depart from."""

    episode: np.ndarray  # [M] index into the dataset's table
    step: np.ndarray  # [M] actions played before
    motion: np.ndarray | None = None  # [M] of `Relocation`, where the episodes are relocated

    def __len__(self) -> int:
        return len(self.episode)

    def __getitem__(self, rows: Any) -> Starts:
        return Starts(self.episode[rows], self.step[rows], None if self.motion is None else self.motion[rows])

    def recorded(self, dataset: Dataset) -> tuple[list[Episode], np.ndarray]:
        """The episodes departed from, one a start where they are relocated, and which [M] is whose."""
        episodes, row = np.unique(self.episode, return_inverse=True)
        found = [dataset.episode(int(e)) for e in episodes]
        if self.motion is None:
            return found, row
        return [_moved(found[k], motion) for k, motion in zip(row, self.motion, strict=True)], np.arange(len(self))


def draw_starts(dataset: Dataset, count: int, rng: np.random.Generator) -> Starts:
    """`count` steps of training episodes, all alike likely, the same one several times if need be.

    An episode's last row is none of them: no action was demonstrated there.
    """
    episodes = dataset.episodes("train")
    lengths = dataset.table.length[episodes]
    if not lengths.sum():
        raise UserError("no training episode has an action to depart from; collect more demonstrations")
    chosen = rng.integers(lengths.sum(), size=count)
    bounds = np.cumsum(lengths)
    which = np.searchsorted(bounds, chosen, side="right")
    return Starts(episodes[which], chosen - (bounds - lengths)[which])


@dataclass(frozen=True)
class Segments:
    """M segments of L + 1 rows. Row k is seen after `executed[:, :k]`; `labels[:, k]` is what to do in row k.

    Labels differ from what was executed only where a generator relabels; neither ever leaves [-1, 1].
    """

    starts: Starts
    before: np.ndarray  # [M, K, A] actions from the real start to row 0
    executed: np.ndarray  # [M, L, A]
    labels: np.ndarray  # [M, L, A]
    observation: Observations  # {key: [M, L + 1, ...]} in the task's own units
    achieved: np.ndarray  # [M] bool, it came out as its generator intended
    uncertainty: np.ndarray | None = None  # [M] mean disagreement of the world's ensemble, where it has one

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows: Any) -> Segments:
        """Some of the segments: a slice, a mask or indices."""

        def some(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: part[rows] for key, part in value.items()}
            return None if value is None else value[rows]

        return replace(self, **{f.name: some(getattr(self, f.name)) for f in fields(self)})

    @property
    def labelled(self) -> int:
        """Labelled actions in all."""
        return len(self) * int(self.labels.shape[1])

    def episodes(self, dataset: Dataset, state_size: int) -> list[Episode]:
        """As recorded episodes with the seed of the real one they depart from, so that they stay in its split.

        A state that the world did not tell is NaN; rewards, success and contact are not known and 0.
        """
        return [self._episode(m, int(dataset.table.seed[e]), state_size) for m, e in enumerate(self.starts.episode)]

    def _episode(self, m: int, seed: int, state_size: int) -> Episode:
        rows = self.labels.shape[1] + 1
        unknown = np.full((rows, state_size), np.nan, np.float32)
        blank = np.zeros(rows, bool)
        return Episode(
            seed=seed,
            observation={"state": unknown} | {key: value[m] for key, value in self.observation.items()},
            action=np.concatenate([np.zeros_like(self.labels[m, :1]), self.labels[m]]),
            reward=np.zeros(rows, np.float32),
            success=blank,
            contact=blank,
            terminal=blank,
        )


def _moved(episode: Episode, motion: Relocation) -> Episode:
    return replace(episode, observation={"state": motion.state(episode.state)}, action=motion.action(episode.action))
