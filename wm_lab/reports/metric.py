"""The one number of a run that searches maximise: `optimized_metric`, and what W&B sweeps find in the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wm_lab.errors import UserError, unknown
from wm_lab.evaluation.outcomes import Arm, runs, stack
from wm_lab.reports.cells import MAIN_ARM, SweepCell
from wm_lab.tasks.task import TaskSpec

TOLD_BY = {"success": "planning", "H_skill": "imagination"}
"""{metric: the exercise that tells it, to begin with: others of its class do as well}"""


def metrics_of(told: str, numbers: dict[str, Any], outcomes: Mapping[str, Arm]) -> dict[str, float]:
    """What a finished run of an exercise that tells this metric is judged by; nothing where it tells none ("").

    success: share of episodes that planning solved, over all trainings; none where nobody can solve any
    H_skill: imagined steps for which the model beats persistence, on what success depends on
    """
    if told == "success" and MAIN_ARM in outcomes:
        if not runs(outcomes[MAIN_ARM])[0].manifest.success_test:
            return {}
        return {"success": float(stack(outcomes[MAIN_ARM], "success").mean())}
    if told == "H_skill":
        return {"H_skill": float(SweepCell("", "", imagined=[numbers]).skill[0]["value"])}
    return {}


def check_metric(name: str | None, told: str, exercise: str) -> None:
    """UserError where a run of this exercise, which tells the metric `told`, will not tell `optimized_metric`."""
    if name is None:
        return
    if name not in TOLD_BY:
        raise unknown("optimized_metric", name, TOLD_BY)
    if name != told:
        raise UserError(f"optimized_metric={name} is told by exercise={TOLD_BY[name]}, and this is {exercise}")


def require_test(name: str | None, task_spec: TaskSpec) -> None:
    """UserError where a search for success was asked for on a task that only pays."""
    if name == "success" and not task_spec.success_test:
        raise UserError(
            f"optimized_metric=success needs a task that can be solved, and {task_spec.name} only pays; say when it is "
            "solved (task.success_key, task.success_return or task.success)"
        )
