"""One answer for a whole sweep: every run's rows in one table, and planning against cloning by type of task.

A sweep is a folder of run folders. Unfinished and failed runs are named, never silently left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wm_lab.evaluation.comparison import Difference, SuccessRow, compare_by_type, success_rows
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import planning_verdict
from wm_lab.reports.tables import Table, difference_table, success_table

OUTCOMES = "outcomes"
"""Folder in a run folder with one file an arm."""


@dataclass(frozen=True)
class SweepAnswer:
    tables: list[Table]
    verdicts: list[str]


def save_outcomes(folder: Path, arms: dict[str, Outcomes]) -> None:
    """Keep who did what in every episode, so that runs can be compared episode by episode later."""
    place = folder / OUTCOMES
    place.mkdir(exist_ok=True)
    for name, outcomes in arms.items():
        outcomes.save(place / f"{name}.json")


def answer_sweep(folder: Path) -> SweepAnswer | None:
    """What the runs in `folder` say together; None where there are fewer than two of them."""
    runs = sorted((f for f in folder.iterdir() if (f / "status.json").exists()), key=lambda f: (len(f.name), f.name))
    if len(runs) < 2:
        return None
    results = [_result(run) for run in runs]
    verdicts = [
        f"{run.name}: no result ({_status(run)})" for run, result in zip(runs, results, strict=True) if result is None
    ]
    found = [(run, result) for run, result in zip(runs, results, strict=True) if result is not None]
    tables = [_overview(found)] if found else []
    planned = {_cell(result): _outcomes(run) for run, result in found if (run / OUTCOMES).is_dir()}
    if len(planned) > 1:
        tables.append(success_table(_rows(planned), "Success in the sweep"))
        differences = _by_type(planned)
        if differences:
            tables.append(difference_table(differences, "Planning − cloning, by type of task"))
            verdicts.insert(0, planning_verdict(differences))
    return SweepAnswer(tables, verdicts)


def _overview(found: Sequence[tuple[Path, dict[str, Any]]]) -> Table:
    """What each run was and what it said."""
    rows = [
        (run.name, r["exercise"], r["task"], r["labels"]["model"], r["labels"]["planner"], str(r["seed"]), r["verdict"])
        for run, r in found
    ]
    columns = ("run", "exercise", "task", "model", "planner", "seed", "verdict")
    return Table("Sweep", columns, rows, left=frozenset(columns))


def _rows(planned: dict[tuple[str, ...], dict[str, Outcomes]]) -> list[SuccessRow]:
    """Every arm once: those that depend on no model or planner are the same in several runs."""
    cells: dict[str, dict[str, Outcomes]] = {}
    for (task, *choice), arms in planned.items():
        varied = len({tuple(rest) for _, *rest in planned}) > 1
        for name, outcomes in arms.items():
            shown = f"{name} ({' '.join(choice)})" if varied and "mpc" in name else name
            cells.setdefault(task, {}).setdefault(shown, outcomes)
    return success_rows(cells)


def _by_type(planned: dict[tuple[str, ...], dict[str, Outcomes]]) -> list[Difference]:
    """Over the tasks of one model and planner; nothing where the sweep varies these and pooling would mix them."""
    choices = {tuple(rest) for _, *rest in planned}
    if len(choices) > 1:
        return []
    return compare_by_type({task: arms for (task, *_), arms in planned.items()}, "mpc", "bc")


def _cell(result: dict[str, Any]) -> tuple[str, ...]:
    labels = result["labels"]
    return result["task"], labels["model"], labels["planner"], labels["objective"], f"seed{result['seed']}"


def _outcomes(run: Path) -> dict[str, Outcomes]:
    return {file.stem: Outcomes.load(file) for file in sorted((run / OUTCOMES).glob("*.json"))}


def _result(run: Path) -> dict[str, Any] | None:
    try:
        return json.loads((run / "result.json").read_text())
    except (OSError, ValueError):
        return None


def _status(run: Path) -> str:
    try:
        status = json.loads((run / "status.json").read_text())
        return f"{status['state']}: {status['reason']}".rstrip(": ")
    except (OSError, ValueError, KeyError):
        return "status unreadable"
