"""Planning arms against the clone that was taught by the same demonstrations: in success, in staying and in steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wm_lab.evaluation.comparison import STEPS, STILL_THERE, SUCCESS, Difference, Results, adjust, compare_in
from wm_lab.evaluation.outcomes import Arm, first, runs

CLONE = "bc"

PLANNERS = ("selected", "local", "value", "local_value", "mpc")
"""Arms that plan, or may; the first that was played stands for planning where one must."""

MEASURED = (SUCCESS, STILL_THERE, STEPS)


def against_clone(results: Results, planners: Sequence[str] = PLANNERS) -> list[Difference]:
    """Each of these planning arms that was played minus the clone, on every task, in every measure; Holm over all."""
    return adjust(
        [
            compare_in(measure, *_paired(arms, planner), task)
            for task, arms in results.items()
            for planner in planners
            if _both(arms, planner)
            for measure in MEASURED
        ]
    )


def planners_of(results: Results) -> list[str]:
    """The planning arms that were played beside a clone, on any task."""
    return [planner for planner in PLANNERS if any(_both(arms, planner) for arms in results.values())]


def _both(arms: Mapping[str, Arm], planner: str) -> bool:
    """Whether both were played, in as many trainings (or one of them in one)."""
    if planner not in arms or CLONE not in arms:
        return False
    trainings = {len(runs(arms[name])) for name in (planner, CLONE)}
    return len(trainings) == 1 or 1 in trainings


def _paired(arms: Mapping[str, Arm], planner: str) -> tuple[Arm, Arm]:
    """Both on the first episodes, as many as both have played."""
    episodes = min(len(runs(arms[name])[0].manifest) for name in (planner, CLONE))
    return first(arms[planner], episodes), first(arms[CLONE], episodes)
