"""The tables that only a sweep has."""

from __future__ import annotations

from collections.abc import Sequence

from wm_lab.evaluation.against_clone import MEASURED
from wm_lab.evaluation.comparison import Results, success_rows
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.outcomes import runs, stack
from wm_lab.evaluation.over_seeds import over_seeds
from wm_lab.evaluation.table_cell import TableCell
from wm_lab.reports.cells import MAIN_ARM, SweepCell
from wm_lab.reports.plots import SuccessCurves
from wm_lab.reports.runs import RunRecord
from wm_lab.reports.tables import Table, blank_repeats, counted, number

MEGA = 1e6


def cell_table(cells: Sequence[SweepCell]) -> Table:
    """The comparison: quality of imagination, success, speed and price of every choice on every task."""
    cells = _by_task(cells)
    steps = _steps(cells)
    labels = ("task", "choice", "imagined")
    measured = ("better for", "success", "ms/decision", "frames/s", "M weights", "train s", "n")
    caption = (
        "at: median error of the imagined variable; better for: steps for which it is significantly better (95 % CI) "
        "than persistence; success: planning, first hit, 95 % interval over n episodes (× seeds); frames/s: imagined, "
        "one thread."
    )
    rows = blank_repeats([_cell_row(cell, steps) for cell in cells])
    columns = (*labels, *(f"at {step}" for step in steps), *measured)
    return Table("Comparison", columns, rows, frozenset(labels), caption, _starts(cells))


def task_table(results: Results, arms: Sequence[str]) -> Table:
    """Every task in one table: what these arms did there, in every measure that planning is held to the clone in."""
    rows: list[tuple[str, ...]] = []
    for task, played in results.items():
        counts = {arm: len(runs(played[arm])[0].manifest) for arm in arms if arm in played}
        for measure in MEASURED:
            told = [over_seeds(stack(played[arm], measure.values)).bounds() if arm in played else "–" for arm in arms]
            seeds = max(len(runs(played[arm])) for arm in counts)
            rows.append((task, measure.name, *told, counted(max(counts.values()), seeds)))
    caption = (
        "95 % intervals. Still there: success in the last step played. Steps: to success, an episode without success "
        "counting as its whole budget. n: episodes (× seeds); who plans in the true dynamics plays the first of them."
    )
    starts = list(range(len(MEASURED), len(rows), len(MEASURED)))
    columns = ("task", "measure", *arms, "n")
    return Table("Every task", columns, blank_repeats(rows), frozenset({"task", "measure"}), caption, starts)


def curve_table(option: str, curves: SuccessCurves) -> Table:
    """Success of every arm on every task at every number of an option."""
    places = sorted({place for arms in curves.values() for points in arms.values() for place in points})
    rows = [
        (task, arm, *(points[place].bounds() if place in points else "–" for place in places))
        for task, arms in curves.items()
        for arm, points in arms.items()
    ]
    columns = ("task", "arm", *(f"{place:g}" for place in places))
    starts = [i for i in range(1, len(rows)) if rows[i][0] != rows[i - 1][0]]
    caption = f"Success (first hit) at each {option}, 95 % intervals over episodes and seeds."
    return Table(f"Success against {option}", columns, blank_repeats(rows), frozenset({"task", "arm"}), caption, starts)


def imagined_table(cells: Sequence[SweepCell]) -> Table:
    """Errors of imagination with their intervals."""
    cells = _by_task([cell for cell in cells if cell.imagined])
    steps, labels = _steps(cells), ("task", "choice", "imagined")
    rows = [
        (cell.task, cell.choice, f"{cell.variable} [{cell.unit}]", *(cell.error_at[step].bounds() for step in steps))
        for cell in cells
    ]
    caption = (
        "Median error, 95 % intervals over held-out episodes; where there are several seeds, Student's over seeds."
    )
    columns = (*labels, *(f"at {step}" for step in steps))
    return Table("Imagination", columns, blank_repeats(rows), frozenset(labels), caption, _starts(cells))


def latent_table(cells: Sequence[SweepCell]) -> Table:
    """What the latents hold, and how they are laid out."""
    cells = _by_task([cell for cell in cells if cell.latents])
    measures = {"effective rank": "effective_rank", "straightness": "straightness", "ρ steps to go": "steps_to_go"}
    variables = list(dict.fromkeys(name for cell in cells for name in cell.read_off))
    rows = [
        (
            cell.task,
            cell.choice,
            *(cell.laid_out(measure).bounds(decimals=2) for measure in measures.values()),
            *(cell.read_off[name].bounds(decimals=2) if name in cell.read_off else "–" for name in variables),
        )
        for cell in cells
    ]
    caption = (
        "Effective rank: directions that features fill. Straightness: mean cosine of successive steps. ρ: Spearman of "
        "distances and of times to success. R²: of a linear probe on unseen trajectories. 95 % intervals over "
        "trajectories; where there are several seeds, Student's over seeds."
    )
    columns = ("task", "choice", *measures, *(f"R² {name}" for name in variables))
    return Table("Latents", columns, blank_repeats(rows), frozenset({"task", "choice"}), caption, _starts(cells))


def across_table(rows: Sequence[tuple[str, Interval, float]], tasks: int, seeds: int) -> Table:
    """(choice, interquartile mean of success, chance to beat another choice)"""
    body = [(name, mean.bounds(), f"{chance:.2f}") for name, mean, chance in rows]
    drawn = "seeds" if seeds > 1 else "episodes, for one seed tells nothing of others"
    caption = (
        f"Over {tasks} tasks × {seeds} seed{'s' * (seeds > 1)} (Agarwal et al. 2021): interquartile mean of success, "
        f"each with its own 95 % interval over {drawn} within tasks; chance that a run of this choice beats one of "
        "another on a task drawn at random, ties half."
    )
    return Table("Across tasks", ("choice", "IQM success", "P(better)"), body, frozenset({"choice"}), caption)


def failed_table(failed: Sequence[tuple[str, str]]) -> Table:
    """(command, why there is no result)"""
    columns = ("why", "run it again with")
    rows = [(why, command) for command, why in failed]
    return Table("Without a result", columns, rows, frozenset(columns), prose=frozenset(columns))


def runs_table(records: Sequence[RunRecord]) -> Table:
    """What each run was, what it said, and how to have it again."""
    columns = ("run", "task", "seed", "state", "says", "command")
    rows = [
        (
            record.folder.name,
            *((record.result["task"], str(record.result["seed"])) if record.result else ("–", "–")),
            record.state,
            record.result["verdict"] if record.result else record.reason,
            record.command,
        )
        for record in records
    ]
    return Table("Runs", columns, rows, frozenset(columns), prose=frozenset({"says", "command"}))


def _by_task(cells: Sequence[SweepCell]) -> list[SweepCell]:
    return sorted(cells, key=lambda cell: cell.task)


def _steps(cells: Sequence[SweepCell]) -> list[str]:
    return list(dict.fromkeys(step for cell in cells for step in cell.error_at))


def _starts(cells: Sequence[SweepCell]) -> list[int]:
    return [i for i in range(1, len(cells)) if cells[i].task != cells[i - 1].task]


def _cell_row(cell: SweepCell, steps: Sequence[str]) -> tuple[str, ...]:
    errors, useful = cell.error_at, cell.useful
    arms = cell.arm(MAIN_ARM) if len(set(cell.manifests)) == 1 else []
    row = success_rows({cell.task: {MAIN_ARM: arms}})[0] if arms else None
    return (
        cell.task,
        cell.choice,
        f"{cell.variable} [{cell.unit}]" if errors else "–",
        *(
            TableCell(f"{errors[step].value:.3g}", {"": errors[step].value}) if step in errors else "–"
            for step in steps
        ),
        "–" if useful is None else _claimed(*useful),
        "–" if row is None else row.success.bounds(),
        "–" if row is None else number(row.decision_ms, 1),
        number(cell.fact("frames_per_second"), 0, ","),
        number(cell.fact("parameters") / MEGA, 2),
        number(cell.fact("seconds"), 0, ","),
        "–" if row is None else counted(row.success.n, row.seeds),
    )


def _error(value: float) -> TableCell:
    return TableCell(f"{value:.3g}", {"": value})


def _claimed(steps: int, limit: int) -> TableCell:
    """`12`, or `20+` where the data end first."""
    return TableCell(f"{steps}{'+' if steps == limit else ''}", {"": steps, "limit": limit})
