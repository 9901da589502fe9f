"""Candidates race through validation episodes, round by round: who is clearly behind falls out, and the others play on.

Two dozen episodes tell a good candidate from a bad one, and often not from a slightly worse one: then it is luck that
chooses. More of them are played where they decide something, and nowhere else (Maron & Moore 1994, Hoeffding races;
Birattari et al. 2002, F-Race).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes, joined
from wm_lab.evaluation.over_seeds import paired_test
from wm_lab.experiment.arms import IN_VALIDATION, Arm
from wm_lab.experiment.evaluations import Evaluations, Play, play_all
from wm_lab.experiment.policy_selection import PolicySelection

BEHIND = 0.05
"""Who would be as far behind the leader with this probability if both solved alike, falls out."""


class Race:
    """One training's candidates, under the terms of the test.

    rounds: validation episodes of each round, equally many, none of them twice; the first is always played
    play_on: as in the test
    """

    def __init__(
        self, arms: Sequence[Arm], evaluations: Evaluations, rounds: Sequence[Manifest], play_on: int | None
    ) -> None:
        self._arms, self._evaluations, self._rounds, self._play_on = arms, evaluations, list(rounds), play_on
        self._played: dict[str, Outcomes] = {}

    def next_round(self) -> list[Play]:
        """What is to be played now; nothing once it is decided, or no round is left."""
        if not self._rounds:
            return []
        names = contenders(self._played) if self._played else [arm.name for arm in self._arms]
        runners = [replace(arm, name=f"{arm.name}{IN_VALIDATION}") for arm in self._arms if arm.name in names]
        return [Play(self._evaluations, arm, self._rounds[0], self._play_on, timed=False) for arm in runners]

    def take(self, outcomes: Sequence[Outcomes]) -> None:
        """What came of the plays of `next_round`."""
        del self._rounds[0]
        for new in outcomes:
            name = new.arm.removesuffix(IN_VALIDATION)
            self._played[name] = joined(self._played[name], new) if name in self._played else new

    @property
    def selection(self) -> PolicySelection:
        """Of all that was played."""
        return PolicySelection(dict(self._played))


def run_races(races: Sequence[Race]) -> list[PolicySelection]:
    """All of them to their ends, side by side; what is in the store is not played again."""
    while rounds := [(race, plays) for race in races if (plays := race.next_round())]:
        came = iter(play_all([play for _, plays in rounds for play in plays]))
        for race, plays in rounds:
            race.take([next(came) for _ in plays])
    return [race.selection for race in races]


def contenders(played: Mapping[str, Outcomes]) -> list[str]:
    """Who may yet turn out to solve most: all that are not clearly behind who does best.

    Nobody where one is left, or where all that are left solve the very same episodes.
    """
    selection = PolicySelection(dict(played))
    running = selection.finalists
    best = running[selection.chosen].success
    left = [name for name, own in running.items() if paired_test(best, own.success)[1] >= BEHIND]
    return left if any((running[name].success != best).any() for name in left) else []
