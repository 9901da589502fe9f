"""What a dataset holds, as tables."""

from __future__ import annotations

import numpy as np

from wm_lab.data.splits import SPLITS
from wm_lab.formats.source import Source
from wm_lab.formats.survey import Survey
from wm_lab.reports.tables import Table


def survey_tables(source: Source, found: Survey) -> list[Table]:
    """The dataset as a whole, its columns, and the dimensions of its vectors."""
    return [_whole(source, found), _columns(source, found), _dimensions(source, found)]


def _whole(source: Source, found: Survey) -> Table:
    task_spec, lengths, count = source.task_spec, found.lengths, len(source)
    split = source.split()
    facts = {
        "format": source.format,
        "task": task_spec.name,
        "instruction": task_spec.instruction or "–",
        "physics": task_spec.physics,
        "episodes": f"{count} ({', '.join(f'{(split == i).sum()} {name}' for i, name in enumerate(SPLITS[:2]))})",
        "steps": f"{int(lengths.sum()):,} ({int(lengths.min())} to {int(lengths.max())} an episode)",
        "rate": _rate(task_spec.control_hz, int(lengths.sum())),
        "solved": f"{found.solved} of {count}",
        "with contact": f"{found.touched} of {count}",
        "ended by the task": f"{found.ended} of {count}",
        "behaviours": _behaviours(source),
        "actions": "as recorded" if not task_spec.settings.get("action_low") else "scaled to [-1, 1]",
    }
    return Table(source.name, ("fact", "found"), list(facts.items()), frozenset({"fact", "found"}))


def _rate(hz: float | None, steps: int) -> str:
    return f"{hz:g} Hz, {steps / hz / 60:.1f} minutes" if hz else "nobody told; say it with --hz"


def _behaviours(source: Source) -> str:
    which = np.asarray(source.table.get("behaviour", np.zeros(len(source), int)))
    counts = np.bincount(which, minlength=len(source.behaviours))
    return ", ".join(f"{name} {n}" for name, n in zip(source.behaviours, counts, strict=True) if n)


def _columns(source: Source, found: Survey) -> Table:
    rows = [
        (name, " × ".join(map(str, column.shape)) or "1", column.dtype, str(column.missing) if column.count else "–")
        for name, column in found.columns.items()
    ]
    caption = f"{source.rows:,} rows. Missing: values that are not numbers."
    return Table("Columns", ("column", "shape", "type", "missing"), rows, frozenset({"column", "type"}), caption)


def _dimensions(source: Source, found: Survey) -> Table:
    names = {
        ("observation.state", i): variable.name
        for variable in source.task_spec.variables
        for i in range(variable.start, variable.stop)
    }
    for role, whole in (("state", "observation.state"), ("action", "action")):
        names |= {(whole, i): label for i, label in enumerate(source.labels.get(role, []))}
    rows: list[tuple[str, ...]] = []
    groups = []
    for name, column in found.columns.items():
        if not column.count:
            continue
        groups.append(len(rows))
        values = (np.atleast_1d(part) for part in (column.low, column.mean, column.std, column.high))
        for i, facts in enumerate(zip(*values, strict=True)):
            label = names.get((name, i), "")
            rows.append((name if i == 0 else "", str(i), label, *(f"{value + 0.0:.4g}" for value in facts)))
    columns = ("column", "dimension", "variable", "least", "mean", "deviation", "most")
    return Table("Values", columns, rows, frozenset({"column", "variable"}), groups=groups[1:])
