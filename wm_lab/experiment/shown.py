"""Of the episodes that an arm played, one that it solved and one that it failed: enough to play them again and look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.policies.subgoals import ASKED, SUBGOALS

FILE = "shown.npz"


@dataclass(frozen=True, eq=False)
class Shown:
    """One episode: its T actions, aligned on arrival (row 0 is none), and what its planner chose."""

    seed: int
    success: np.ndarray  # [T + 1] bool
    action: np.ndarray  # [T + 1, A]
    decided: np.ndarray  # [K] steps at which a plan was chosen
    plans: np.ndarray  # [K, H, A]
    told: str | None = None  # the sentence of the episode; None where an earlier version did not write it down
    asked: np.ndarray | None = None  # [G] steps at which a sub-goal was chosen; None likewise, or where there are none
    subgoals: np.ndarray | None = None  # [G, D]

    @property
    def solved(self) -> bool:
        return bool(self.success.any())

    def subgoal(self, step: int) -> np.ndarray | None:
        """The state [D] that is pursued after so many steps."""
        if self.asked is None or self.subgoals is None or not (self.asked <= step).any():
            return None
        pursued: np.ndarray = self.subgoals[np.flatnonzero(self.asked <= step)[-1]]
        return pursued

    @property
    def name(self) -> str:
        return "solved" if self.solved else "failed"


def choose(episodes: Sequence[Episode]) -> list[Shown]:
    """The first episode that was solved and the first that was not, where there are such."""
    found = []
    for solved in (True, False):
        if episode := next((e for e in episodes if e.solved is solved), None):
            report = episode.report
            decided, plans = report.get("decided", np.zeros(0, int)), report.get("plans", np.zeros((0, 0, 0)))
            pursued = report.get(ASKED), report.get(SUBGOALS)
            found.append(
                Shown(episode.seed, episode.success, episode.action, decided, plans, episode.instruction, *pursued)
            )
    return found


def save(episodes: Sequence[Shown], folder: Path) -> None:
    arrays = {
        f"{shown.name}_{field}": value
        for shown in episodes
        for field, value in vars(shown).items()
        if value is not None
    }
    with (folder / FILE).open("wb") as file:
        np.savez_compressed(file, **arrays)


def load(folder: Path) -> list[Shown]:
    """What `save` left; nothing in a folder of before it did."""
    if not (folder / FILE).exists():
        return []
    with np.load(folder / FILE) as arrays:
        names = [name for name in ("solved", "failed") if f"{name}_seed" in arrays]
        return [_read(arrays, name) for name in names]


def _read(arrays: Mapping[str, np.ndarray], name: str) -> Shown:
    success, action, decided, plans = (arrays[f"{name}_{field}"] for field in ("success", "action", "decided", "plans"))
    told, *pursued = (arrays.get(f"{name}_{field}") for field in ("told", ASKED, SUBGOALS))
    said = None if told is None else str(told)
    return Shown(int(arrays[f"{name}_seed"]), success, action, decided, plans, said, *pursued)
