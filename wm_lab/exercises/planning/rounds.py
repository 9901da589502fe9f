"""What rounds of data earned while they were collected, over environment steps, beside what was published."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wm_lab.experiment.experiment import Experiment
from wm_lab.reports.tables import Table, number


class Method(NamedTuple):
    """Whose mean returns of episodes of 1,000 environment steps are known."""

    name: str
    sees: str
    steps: int  # environment steps that it had learned from
    source: str


TDMPC2 = Method("TD-MPC2", "state", 100_000, "nicklashansen/tdmpc2, results/*.csv")
DREAMER = Method("DreamerV3", "state", 500_000, "DreamerV3, arXiv 2301.04104")
PLANET = Method("PlaNet", "pixels", 1_000_000, "danijar/dreamer, scores/baselines.json")

PUBLISHED = {
    "dmc/cartpole_swingup": {TDMPC2: 839, DREAMER: 851, PLANET: 821},
    "dmc/reacher_easy": {TDMPC2: 937, DREAMER: 944, PLANET: 832},
    "dmc/cheetah_run": {TDMPC2: 519, DREAMER: 600, PLANET: 662},
    "dmc/finger_spin": {TDMPC2: 948, DREAMER: 936, PLANET: 700},
    "dmc/walker_walk": {TDMPC2: 962, DREAMER: 941, PLANET: 951},
    "dmc/ball_in_cup_catch": {PLANET: 930},
}
"""From fewer steps to more; nobody reports fewer than a hundred thousand."""


class Round(NamedTuple):
    """The episodes of one round, of all trainings."""

    number: int  # 0: the first collection
    environment_steps: int  # of one training, up to the end of this round
    episodes: int
    episode_return: float  # mean
    least: float
    most: float


def rounds_of(experiment: Experiment) -> list[Round]:
    """Every round, in its order; empty where nothing but one collection was learned from."""
    if not experiment.data.rounds:
        return []
    repeat = experiment.task_spec.settings.get("action_repeat", 1)
    played: dict[int, list[float]] = {}
    steps: dict[int, int] = {}
    for training in experiment.trainings:
        data = training.data.dataset()
        for each in np.unique(data.table.round).tolist():
            chosen = np.flatnonzero(data.table.round == each)
            played.setdefault(each, []).extend(float(data.episode(e).reward.sum()) for e in chosen.tolist())
            steps[each] = int(data.table.length[data.table.round <= each].sum()) * repeat
    return [
        Round(each, steps[each], len(paid), float(np.mean(paid)), min(paid), max(paid))
        for each, paid in sorted(played.items())
    ]


def rounds_numbers(rounds: list[Round]) -> list[dict[str, Any]]:
    """For the run's result."""
    return [each._asdict() for each in rounds]


def rounds_tables(experiment: Experiment, rounds: list[Round]) -> list[Table]:
    """What each round earned and, where others published theirs, at how many steps they earned what."""
    if not rounds:
        return []
    caption = "Episodes as they were collected, with the noise of data.round_strengths; the arms above act without."
    body = [
        (
            "first" if each.number == 0 else str(each.number),
            f"{each.environment_steps:,}",
            str(each.episodes),
            number(each.episode_return, 1),
            f"{number(each.least, 1)} to {number(each.most, 1)}",
        )
        for each in rounds
    ]
    columns = ("round", "environment steps", "episodes", "mean return", "from, to")
    tables = [Table("Returns while collecting", columns, body, frozenset({"round"}), caption)]
    if known := PUBLISHED.get(experiment.task_spec.name):
        rows = [(by.name, by.sees, f"{by.steps:,}", str(earned), by.source) for by, earned in known.items()]
        columns = ("method", "sees", "environment steps", "return", "source")
        told = "Returns of 1,000 environment steps by others, who stop elsewhere and see what they say."
        tables.append(Table("Published", columns, rows, frozenset({"method", "sees", "source"}), told))
    return tables
