"""What is in a dataset: shapes, statistics, what is missing and what is odd, in one pass over its episodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.shard import OBSERVATION
from wm_lab.formats.source import Advance, Source

AT_BOUND = 0.999
"""An action of this size counts as saturated."""

MANY_SATURATED = 0.5
"""Share of saturated actions that is worth a word: what they were scaled or clipped from may have been cut off."""

TINY = np.finfo(float).tiny

JUMP = 50.0
"""A change that is so many times the usual one (root mean square) is a fault of recording rather than a motion."""


@dataclass
class ColumnFacts:
    """Running facts of one column of numbers, per dimension [D]."""

    shape: tuple[int, ...]
    dtype: str
    count: int = 0
    missing: int = 0
    low: np.ndarray = field(default_factory=lambda: np.array(np.inf))
    high: np.ndarray = field(default_factory=lambda: np.array(-np.inf))
    total: np.ndarray = field(default_factory=lambda: np.array(0.0))
    square: np.ndarray = field(default_factory=lambda: np.array(0.0))
    moved: np.ndarray = field(default_factory=lambda: np.array(0.0))  # summed squares of one-step changes
    moves: int = 0
    leap: np.ndarray = field(default_factory=lambda: np.array(0.0))  # the largest change
    leapt: np.ndarray = field(default_factory=lambda: np.array(-1))  # the episode that holds it

    def add(self, values: np.ndarray, episode: int) -> None:
        rows = values.reshape(len(values), -1).astype(np.float64)
        whole = np.isfinite(rows)
        self.missing += int((~whole).sum())
        rows = np.where(whole, rows, 0.0)
        self.low, self.high = np.minimum(self.low, rows.min(0)), np.maximum(self.high, rows.max(0))
        self.total, self.square = self.total + rows.sum(0), self.square + (rows**2).sum(0)
        self.count += len(rows)
        change = np.abs(np.diff(rows, axis=0))
        if len(change):
            self.moved, self.moves = self.moved + (change**2).sum(0), self.moves + len(change)
            most = change.max(0)
            self.leapt = np.where(most > self.leap, episode, self.leapt)
            self.leap = np.maximum(self.leap, most)

    @property
    def mean(self) -> np.ndarray:
        return self.total / max(self.count, 1)

    @property
    def std(self) -> np.ndarray:
        std: np.ndarray = np.sqrt(np.maximum(self.square / max(self.count, 1) - self.mean**2, 0))
        return std


@dataclass
class Survey:
    """Facts of a dataset; `images` are pictures of it, [episodes, frames, H, W, 3] of every camera."""

    columns: dict[str, ColumnFacts]
    lengths: np.ndarray  # [E]
    solved: int
    touched: int
    ended: int  # episodes that the task itself ended
    saturated: float  # share of actions at a bound
    images: dict[str, np.ndarray]

    def missing(self) -> list[str]:
        """A sentence for every column with values that are not numbers."""
        return [
            f"{name}: {column.missing} values are not numbers"
            for name, column in self.columns.items()
            if column.missing
        ]

    def oddities(self) -> list[str]:
        """What a user should know before training on it, a sentence each."""
        found = self.missing()
        for name, column in self.columns.items():
            still = np.flatnonzero(column.low == column.high)
            if name != "reward" and column.shape and len(still):
                found.append(f"{name}: {_dimensions(still)} never {'changes' if len(still) == 1 else 'change'}")
            usual = np.sqrt(column.moved / max(column.moves, 1))
            wild = np.flatnonzero(column.leap > JUMP * np.maximum(usual, TINY))
            if name.startswith(OBSERVATION) and len(wild):
                worst = int(wild[np.argmax((column.leap / np.maximum(usual, TINY))[wild])])
                found.append(
                    f"{name}: dimension {worst} jumps by {column.leap[worst]:.3g} in episode {column.leapt[worst]}, "
                    f"{column.leap[worst] / usual[worst]:.0f} times its usual change"
                )
        if self.saturated > MANY_SATURATED:
            found.append(f"action: {self.saturated:.0%} of the values lie at -1 or 1")
        reward = self.columns["reward"]
        if reward.low == reward.high:
            found.append(f"reward: always {float(np.ravel(reward.low)[0]):g}, so no reward can be learnt from it")
        if not self.solved:
            found.append("success: never marked")
        return found


def survey(source: Source, episodes: int = 0, frames: int = 0, advance: Advance | None = None) -> Survey:
    """Read everything once; pictures are of so many episodes and so many frames of each, evenly spread."""
    columns: dict[str, ColumnFacts] = {}
    shown = set(np.linspace(0, len(source) - 1, episodes).round().astype(int).tolist()) if episodes else set()
    images: dict[str, list[np.ndarray]] = {}
    solved = touched = ended = bound = 0
    for index, episode in enumerate(source.episodes()):
        for name, values in _numbers(episode).items():
            facts = columns.setdefault(name, ColumnFacts(values.shape[1:], values.dtype.name))
            if not _is_image(values):
                # Rows that the lab fills in at an episode's beginning were not recorded.
                facts.add(values if name.startswith(OBSERVATION) else values[1:], index)
            elif index in shown:
                some = np.linspace(0, len(values) - 1, frames).round().astype(int)
                images.setdefault(name.removeprefix(OBSERVATION), []).append(values[some])
        solved, touched = solved + episode.solved, touched + bool(episode.contact.any())
        ended += bool(episode.terminal.any())
        bound += int((np.abs(episode.action[1:]) >= AT_BOUND).sum())
        if advance is not None:
            advance(1)
    actions = int(source.lengths.sum()) * source.task_spec.action_size
    pictures = {key: np.stack(parts) for key, parts in images.items()}
    return Survey(columns, source.lengths, solved, touched, ended, bound / max(actions, 1), pictures)


def _numbers(episode: Episode) -> dict[str, np.ndarray]:
    observed = {OBSERVATION + key: values for key, values in episode.observation.items()}
    return {**observed, "action": episode.action, "reward": episode.reward}


def _is_image(values: np.ndarray) -> bool:
    return values.ndim == 4


def _dimensions(which: np.ndarray) -> str:
    few = ", ".join(map(str, which[:5].tolist()))
    more = f" and {len(which) - 5} more" if len(which) > 5 else ""
    return f"dimension {few}" if len(which) == 1 else f"dimensions {few}{more}"
