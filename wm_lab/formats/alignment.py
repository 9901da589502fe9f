"""The one rule by which the recordings of every format are aligned (docs/data.md, "How steps are aligned").

Everybody else keeps with an observation the action that follows it, what that action earned and what it brought about;
the lab aligns on arrival. Action t leads from observation t to observation t + 1, and so do its reward and flags.
An observation after the last action is kept where there is one. Where there is none, nobody knows what the last action
led to, and it is left out; what it earned and brought about counts for the last observation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wm_lab.data.episode import Episode


class Unreadable(Exception):
    """What is wrong with one episode, as a sentence goes on after its name: "has no actions"."""


@dataclass
class RecordedEpisode:
    """One recorded episode as everybody else keeps it: L actions, and what was seen before each of them.

    Rewards and flags are of the action; None: nobody said. A column [L, 1] of them is as good as [L].
    """

    observation: dict[str, np.ndarray]  # {key: [L or L + 1, ...]}; L + 1 where the last action's outcome was seen
    action: np.ndarray  # [L, A] float32 in [-1, 1]
    reward: np.ndarray | None = None  # [L]
    success: np.ndarray | None = None  # [L] bool
    contact: np.ndarray | None = None  # [L] bool
    terminal: np.ndarray | None = None  # [L] bool

    def arrive(self, seed: int, shapes: Mapping[str, tuple[int, ...]]) -> Episode:
        """The same on arrival; Unreadable where its parts do not fit together or are not of these shapes."""
        steps = self._seen(shapes) - 1
        action = np.zeros((steps + 1, self.action.shape[1]), np.float32)
        action[1:] = self.action[:steps]
        success, contact, terminal = (
            self._flag(name, getattr(self, name), steps) for name in ("success", "contact", "terminal")
        )
        return Episode(seed, self.observation, action, self._earned(steps), success, contact, terminal)

    def _seen(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """How many observations there are, which must be the same of every key."""
        actions = len(self.action)
        if not actions:
            raise Unreadable("has no actions")
        counts = set()
        for key, values in self.observation.items():
            if values.shape[1:] != tuple(shapes[key]):
                raise Unreadable(f"has {key} of {list(values.shape[1:])}, where others have {list(shapes[key])}")
            if len(values) not in (actions, actions + 1):
                raise Unreadable(
                    f"has {len(values)} observations of {key} and {actions} actions, where an episode has as many or "
                    "one more"
                )
            counts.add(len(values))
        if len(counts) > 1:
            raise Unreadable(f"has {min(counts)} observations of some keys and {max(counts)} of others")
        if counts == {1}:
            raise Unreadable("has one observation, and a step leads from one to another")
        return counts.pop()

    def _earned(self, steps: int) -> np.ndarray:
        """[steps + 1] float32. Of two rewards that fall to the last row it keeps the larger in size: the one that is
        paid when something happens. Their sum would be a reward that nobody is ever paid."""
        earned = np.zeros(steps + 1, np.float32)
        if self.reward is not None:
            with np.errstate(over="ignore"):  # what float32 cannot hold is found as no number
                reward = self._column("rewards", self.reward).astype(np.float32)
            earned[1:] = reward[:steps]
            if abs(reward[-1]) > abs(earned[-1]):
                earned[-1] = reward[-1]
        return earned

    def _flag(self, name: str, flag: np.ndarray | None, steps: int) -> np.ndarray:
        """[steps + 1] bool"""
        arrived = np.zeros(steps + 1, bool)
        if flag is not None:
            whole = yes_or_no(name, self._column(f"flags of {name}", flag))
            arrived[1:] = whole[:steps]
            arrived[-1] |= whole[-1]
        return arrived

    def _column(self, name: str, values: np.ndarray) -> np.ndarray:
        actions = len(self.action)
        if values.size != actions or len(values) != actions:
            raise Unreadable(f"has {name} of {list(values.shape)} for {actions} actions")
        return values.reshape(actions)


def yes_or_no(name: str, flag: np.ndarray) -> np.ndarray:
    """bool; Unreadable where one is no number, which would count as yes."""
    if flag.dtype.kind not in "biuf" or not np.isfinite(flag).all():
        raise Unreadable(f"has flags of {name} that are neither yes nor no")
    return flag.astype(bool)
