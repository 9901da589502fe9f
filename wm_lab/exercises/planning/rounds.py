"""What rounds of data earned while they were collected, over environment steps, beside what was published.

A test may be played after every so many rounds too, without the noise of a collection.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.over_seeds import over_seeds
from wm_lab.experiment.experiment import Experiment
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.rounds_curve import rounds_curve
from wm_lab.reports.tables import Table, number


class Method(NamedTuple):
    """Whose mean returns of episodes of 1,000 environment steps are known."""

    name: str
    sees: str
    steps: int  # environment steps that it had learned from
    source: str


TDMPC2 = Method("TD-MPC2", "state", 100_000, "nicklashansen/tdmpc2, results/tdmpc2/*.csv")
DREAMER = Method("DreamerV3", "state", 500_000, "danijar/dreamerv3, scores/dmc_proprio-dreamerv3.json.gz")
PLANET = Method("PlaNet", "pixels", 1_000_000, "danijar/dreamer, scores/baselines.json")

PUBLISHED = {
    "dmc/cartpole_swingup": {TDMPC2: 839, DREAMER: 851, PLANET: 821},
    "dmc/reacher_easy": {TDMPC2: 937, DREAMER: 944, PLANET: 832},
    "dmc/cheetah_run": {TDMPC2: 519, DREAMER: 600, PLANET: 662},
    "dmc/finger_spin": {TDMPC2: 948, DREAMER: 936, PLANET: 700},
    "dmc/walker_walk": {TDMPC2: 962, DREAMER: 941, PLANET: 951},
    "dmc/ball_in_cup_catch": {TDMPC2: 981, DREAMER: 964, PLANET: 930},
    "dmc/pendulum_swingup": {TDMPC2: 724, DREAMER: 779},
    "dmc/hopper_stand": {TDMPC2: 28, DREAMER: 544},
}
"""From fewer steps to more; nobody reports fewer than a hundred thousand. Means over trainings: TD-MPC2's of three at
exactly so many steps; DreamerV3's of five, over the last five points of each, 450,000 to 490,000; its paper (Table 11)
has numbers within 15 of these, and 32 more in hopper_stand."""


class Round(NamedTuple):
    """The episodes of one round, of all trainings."""

    number: int  # 0: the first collection
    environment_steps: int  # of one training, up to the end of this round
    episodes: int
    episode_return: float  # mean
    least: float
    most: float
    tested: Interval | None = None  # mean return of the test's episodes after this round, where they were played


def returns_after(experiment: Experiment, manifest: Manifest, every: int) -> dict[int, Interval]:
    """Returns of the test after no round, after every so many of them and after the last, over all trainings."""
    rounds = experiment.data.rounds
    chosen = sorted({*range(0, rounds + 1, every), rounds}) if every and rounds else []
    return {
        number: over_seeds(
            np.array(
                [
                    training.evaluations.play(training.after(number), manifest, None).episode_return
                    for training in experiment.trainings
                ]
            )
        )
        for number in chosen
    }


def rounds_of(experiment: Experiment, tested: dict[int, Interval] | None = None) -> list[Round]:
    """Every round, in its order; empty where nothing but one collection was learned from.

    tested: by the number of a round, what the test returned after it
    """
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
        Round(each, steps[each], len(paid), float(np.mean(paid)), min(paid), max(paid), (tested or {}).get(each))
        for each, paid in sorted(played.items())
    ]


def rounds_numbers(rounds: list[Round]) -> list[dict[str, Any]]:
    """For the run's result."""
    numbers: list[dict[str, Any]] = plain(rounds)
    return numbers


def rounds_figure(experiment: Experiment, rounds: list[Round]) -> Drawing:
    """The same over environment steps."""
    known = [(f"{by.name} ({by.sees})", by.steps, float(earned)) for by, earned in published(experiment).items()]
    return Drawing(rounds_curve, (rounds_numbers(rounds), known))


def published(experiment: Experiment) -> dict[Method, int]:
    """Returns by others in this task; empty where none are known."""
    return PUBLISHED.get(experiment.task_spec.name, {})


def rounds_tables(experiment: Experiment, rounds: list[Round]) -> list[Table]:
    """What each round earned and, where others published theirs, at how many steps they earned what."""
    if not rounds:
        return []
    caption = "Episodes as they were collected, with the noise of data.round_strengths; the arms above act without."
    tests = any(each.tested for each in rounds)
    body = [
        (
            "first" if each.number == 0 else str(each.number),
            f"{each.environment_steps:,}",
            str(each.episodes),
            number(each.episode_return, 1),
            f"{number(each.least, 1)} to {number(each.most, 1)}",
            *([each.tested.bounds() if each.tested else ""] if tests else []),
        )
        for each in rounds
    ]
    columns = (
        "round",
        "environment steps",
        "episodes",
        "mean return",
        "from, to",
        *(["test after it"] if tests else []),
    )
    tables = [Table("Returns while collecting", columns, body, frozenset({"round"}), caption)]
    if known := published(experiment):
        rows = [(by.name, by.sees, f"{by.steps:,}", str(earned), by.source) for by, earned in known.items()]
        columns = ("method", "sees", "environment steps", "return", "source")
        told = "Returns of 1,000 environment steps by others, who stop elsewhere and see what they say."
        tables.append(Table("Published", columns, rows, frozenset({"method", "sees", "source"}), told))
    return tables
