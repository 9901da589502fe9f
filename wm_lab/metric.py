"""The one number of a run that a hyperparameter search maximises."""

from __future__ import annotations

from collections.abc import Callable

from wm_lab.errors import UserError, unknown
from wm_lab.reports.cells import PLAYER, Cell, cells_of
from wm_lab.reports.runs import RunRecord


def success(cell: Cell) -> float:
    """Share of episodes that planning solved."""
    return float(cell.arm(PLAYER)[0].success.mean())


def h_skill(cell: Cell) -> float:
    """Imagined steps for which the model beats persistence, on what success depends on."""
    return float(cell.skill[0]["value"])


METRICS: dict[str, tuple[str, Callable[[Cell], float]]] = {
    "success": ("planning", success),
    "H_skill": ("imagination", h_skill),
}
"""{name: (the exercise that tells it, how it is read)}"""


def check_metric(name: str | None, exercise: str) -> None:
    """UserError where a run of this exercise will not tell the metric `optimized_metric`."""
    if name is None:
        return
    if name not in METRICS:
        raise unknown("optimized_metric", name, METRICS)
    if METRICS[name][0] != exercise:
        raise UserError(f"optimized_metric={name} is told by exercise={METRICS[name][0]}, and this is {exercise}")


def metric(record: RunRecord, name: str | None) -> float | None:
    """The number that this finished run is judged by; None where no metric is asked for."""
    return None if name is None else METRICS[name][1](cells_of([record])[0])
