"""One answer for many runs: which model with which planner, how well, how fast, and how certain.

A cell is a choice (whatever differs between the runs: model, planner, an option) on a task; its runs differ by seed
alone. Choices are compared on the same episodes. Runs of unlike manifests are shown side by side and never pooled, and
what failed or is missing is named with the command that runs it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.evaluation.against_clone import CLONE, PLANNERS, against_clone, planners_of
from wm_lab.evaluation.aggregates import iqm_interval, iqm_over_episodes, probability_of_improvement
from wm_lab.evaluation.comparison import Difference, adjust, compare, compare_by_type, compare_returns, success_rows
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.nudges import nudge_differences, nudged_against_clone, undisturbed
from wm_lab.evaluation.outcomes import Outcomes, stack
from wm_lab.evaluation.over_seeds import over_seeds
from wm_lab.evaluation.verdicts import clones_verdict, is_significant, planning_verdict, with_seeds
from wm_lab.reports.cells import MAIN_ARM, SweepCell, curve_of, sweep_cells
from wm_lab.reports.chapters import Chapter, chapters
from wm_lab.reports.metric_use import metric_use, metric_use_figure, metric_use_table, metrics, uses
from wm_lab.reports.page import write_page
from wm_lab.reports.played import (
    Played,
    arms_once,
    by_manifest,
    manifests_of,
    only_pays,
    pairable,
    per_choice,
    planned,
    same_play,
)
from wm_lab.reports.plots import choice_latency, error_compute, nudged_success, success_curves
from wm_lab.reports.provenance import manifests_table, where_table
from wm_lab.reports.runs import RunRecord, checked, missing_cells, read_runs
from wm_lab.reports.scorecard import asked_of, card, cards, scorecard_table, scorecard_verdict
from wm_lab.reports.style import save
from wm_lab.reports.sweep_tables import (
    across_table,
    cell_table,
    curve_table,
    failed_table,
    imagined_table,
    latent_table,
    runs_table,
    task_table,
)
from wm_lab.reports.tables import (
    OF_RATES,
    OF_RETURNS,
    Table,
    clone_table,
    difference_table,
    nudged_clone_table,
    return_table,
    robustness_table,
    success_table,
)
from wm_lab.system.names import file_name

BEST_AND_REST = 2  # choices that it takes to compare

SHOWN = ("expert", CLONE, *PLANNERS, "simulator")
"""Arms of the table that holds every task."""

MOST_VERDICTS = 10
"""Runs of a sweep without a choice that speak for themselves at the top; the others do below."""


@dataclass(frozen=True)
class SweepAnswer:
    """`tables` are for the terminal and the page, `details` for the page alone."""

    verdicts: list[str]
    tables: list[Table]
    details: list[Table] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    chapters: list[Chapter] = field(default_factory=list)  # of a sweep over exercises
    cards: list[Table] = field(default_factory=list)  # those of `tables` that stand first on the page, too


def answer_sweep(folders: Sequence[Path]) -> SweepAnswer | None:
    """What the runs in `folders` say together; None where there are fewer than two of them. UserError without any."""
    records = [checked(record, _alone) for record in read_runs(folders)]
    missing = [cell for folder in folders for cell in missing_cells(Path(folder), records)]
    if len(records) + len(missing) < BEST_AND_REST:
        return None
    cells = sweep_cells([record for record in records if record.result is not None])
    played = by_manifest(cells)
    shown = planned(played)
    duels = [(task, _against_best(choices)) for task, choices in shown.items() if _differ(choices)]
    answer = SweepAnswer(_verdicts(records, missing, cells, duels, played), [cell_table(cells)] if cells else [])
    _compare(answer, played, shown, duels)
    if priced := [cell for cell in cells if cell.priced]:
        answer.figures["error of imagination against training time"] = error_compute(priced)
    if any(cell.latents for cell in cells):
        answer.tables.append(latent_table(cells))
    told = cards(records)
    answer.verdicts[:0] = map(scorecard_verdict, told)
    answer.cards.extend(map(scorecard_table, told))
    answer.tables[:0] = answer.cards
    if predicts := metric_use(records):
        answer.tables.append(metric_use_table(predicts))
        answer.figures["which cheap number predicts which use"] = metric_use_figure(predicts)
    answer.chapters.extend(chapters(records))
    answer.tables.extend(_failures(records, missing))
    answer.details.extend(_details(records, cells, played))
    return answer


def _compare(
    answer: SweepAnswer,
    played: Played,
    shown: Mapping[str, dict[str, list[Outcomes]]],
    duels: Sequence[tuple[str, list[Difference]]],
) -> None:
    """Add the tables, the figure and the verdict of what was played to `answer`."""
    tested, paying = (
        {task: choices for task, choices in played.items() if only_pays(choices) is pays} for pays in (False, True)
    )
    if tested:
        rows = success_rows({task: undisturbed(arms) for task, arms in arms_once(tested).items()})
        answer.tables.append(success_table(rows, "Success of every arm"))
    if paying:
        answer.tables.append(return_table(success_rows(arms_once(paying)), "Returns of every arm"))
    if nudged := nudge_differences(per_choice(played)):
        answer.tables.append(robustness_table(nudged))
        answer.figures["nudged"] = nudged_success(nudged)
    if beside := nudged_against_clone(per_choice(played)):
        answer.details.append(nudged_clone_table(beside))
    solving = {task: choices for task, choices in shown.items() if task in tested}
    if solving:
        answer.figures["success against thinking time"] = choice_latency(success_rows(solving))
    answer.tables.extend(
        difference_table(
            pairs,
            f"{task}: the best against the others",
            "all pairs of choices",
            OF_RATES if task in tested else OF_RETURNS,
        )
        for task, pairs in duels
    )
    if (table := _across_tasks(solving)) is not None:
        answer.tables.append(table)
    if by_type := _planning_against_cloning(tested):
        answer.tables.append(difference_table(by_type, "Planning − cloning, by type of task"))
        answer.verdicts.insert(0, planning_verdict(by_type))
    _hold_against_clones(answer, tested)


def _hold_against_clones(answer: SweepAnswer, tested: Played) -> None:
    """Every task in one table, or a curve where the sweep went over an option's numbers; and planning against clones.

    Where choices differ in something else their pairs are not made: too many for one correction.
    """
    if not any(planner in arms for by_choice in tested.values() for arms in by_choice.values() for planner in PLANNERS):
        return
    choices = list(dict.fromkeys(choice for by_choice in tested.values() for choice in by_choice))
    if (curve := curve_of(choices)) is not None:
        option, places = curve
        curves = _success_curves(tested, places)
        answer.figures[f"success against {option}"] = success_curves(option, curves)
        by_choice = {choice: {t: arms[choice] for t, arms in tested.items() if choice in arms} for choice in places}
        leaders = {choice: planners_of(results)[:1] for choice, results in by_choice.items()}
        found = {choice: against_clone(by_choice[choice], leaders[choice]) for choice in places if leaders[choice]}
        told = [f"{choice}: {clones_verdict(differences)}" for choice, differences in found.items()]
        _lead(answer, curve_table(option, curves), found, told)
    elif len(choices) == 1 and len(tested) >= BEST_AND_REST:
        results = {task: undisturbed(arms[choices[0]]) for task, arms in tested.items()}
        found = {planner: against_clone(results, [planner]) for planner in planners_of(results)}
        shown = [arm for arm in SHOWN if any(arm in arms for arms in results.values())]
        _lead(
            answer, task_table(results, shown), found, [clones_verdict(differences) for differences in found.values()]
        )


def _lead(answer: SweepAnswer, whole: Table, found: Mapping[str, Sequence[Difference]], told: Sequence[str]) -> None:
    """Put these first: a table of all, a table of differences each (the first of them for the terminal), what they say.

    found: {planning arm or choice: differences}
    """
    pairs = [clone_table(differences, f"Planning against the clone, {of}") for of, differences in found.items()]
    answer.tables[:0] = [whole, *pairs[:1]]
    answer.details.extend(pairs[1:])
    answer.verdicts[:0] = told


def _success_curves(tested: Played, places: Mapping[str, float]) -> dict[str, dict[str, dict[float, Interval]]]:
    """{task: {arm: {number: success}}} of clones and planning arms."""
    return {
        task: {
            arm: {
                places[choice]: over_seeds(stack(arms[arm], "success"))
                for choice, arms in by_choice.items()
                if arm in arms
            }
            for arm in (CLONE, *PLANNERS)
            if any(arm in arms for arms in by_choice.values())
        }
        for task, by_choice in tested.items()
    }


def _failures(records: Sequence[RunRecord], missing: Sequence[Sequence[str]]) -> Iterator[Table]:
    """What failed or never began, with the command that runs it; nothing where all went well."""
    failed = [
        (record.command, f"{record.state}: {record.reason}".rstrip(": ")) for record in records if record.result is None
    ]
    failed += [(shlex.join(["wm-lab", *cell]), "not begun") for cell in missing]
    if failed:
        yield failed_table(failed)


def _details(records: Sequence[RunRecord], cells: Sequence[SweepCell], played: Played) -> Iterator[Table]:
    if any(cell.imagined for cell in cells):
        yield imagined_table(cells)
    yield runs_table(records)
    if played:
        arms = (arm for cell in cells for arms in cell.outcomes for arm in arms.values())
        yield manifests_table(arm[0].manifest for arm in arms)
    yield where_table(records)


def _alone(record: RunRecord) -> None:
    """Say of one run whatever a report says of it, which fails where its folder holds something else than a result."""
    (cell,) = sweep_cells([record])
    cell_table([cell])
    if cell.imagined:
        imagined_table([cell])
    if cell.latents:
        latent_table([cell])
    card("", "", asked := asked_of(record))
    uses(asked)
    if "imagination" in asked:
        metrics(asked["imagination"])
    runs_table([record])
    where_table([record])


def write_report(folder: Path, title: str, answer: SweepAnswer, latex: bool = False) -> Path:
    """report.html, report.md and tables/*.csv (latex: and *.tex) in `folder`; the page holds everything itself."""
    folder.mkdir(parents=True, exist_ok=True)
    plots = {name: save(figure, folder / "plots" / f"{file_name(name)}.svg") for name, figure in answer.figures.items()}
    tables = [*answer.tables, *answer.details]
    for table in tables:
        file = folder / "tables" / f"{file_name(table.title)}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(table.csv(), encoding="utf-8")
        if latex:
            file.with_suffix(".tex").write_text(table.latex(), encoding="utf-8")
    text = [
        f"# {title}\n",
        *(f"- {verdict}" for verdict in answer.verdicts),
        "",
        *(table.markdown() for table in tables),
    ]
    (folder / "report.md").write_text("\n".join(text), encoding="utf-8")
    return write_page(
        folder / "report.html",
        title,
        verdicts=answer.verdicts,
        leading=answer.cards,
        chapters=answer.chapters,
        tables=tables[len(answer.cards) :],
        figures=plots,
    )


def _against_best(choices: Mapping[str, list[Outcomes]]) -> list[Difference]:
    """The choice with the highest success (or return, of a task that only pays), of equals the first to be swept,
    against each other one on the same task.

    Holm's correction is over all pairs: which one is the best was chosen by looking at every one of them.
    """
    named = {name: [replace(run, arm=name) for run in seeds] for name, seeds in choices.items()}
    pays = not next(iter(named.values()))[0].manifest.success_test
    measure, compared = ("episode_return", compare_returns) if pays else ("success", compare)
    order = sorted(named, key=lambda name: -_mean(named[name], measure))
    pairs = [
        compared(named[a], named[b], f"{a} − {b}") for a, b in combinations(order, 2) if pairable(named[a], named[b])
    ]
    return [pair for pair in adjust(pairs) if pair.a == order[0]]


def _differ(choices: Mapping[str, list[Outcomes]]) -> bool:
    """Whether there are several, and not all did the same: what was chosen may matter to other arms alone."""
    played = list(choices.values())
    return len(played) > 1 and not all(same_play(played[0], other) for other in played[1:])


def _across_tasks(shown: Mapping[str, Mapping[str, list[Outcomes]]]) -> Table | None:
    """Interquartile mean over tasks and seeds, and the chance to beat another choice, where all played all tasks."""
    names = list(dict.fromkeys(name for choices in shown.values() for name in choices))
    seeds = {len(runs_) for choices in shown.values() for runs_ in choices.values()}
    if len(names) < BEST_AND_REST or len(shown) < BEST_AND_REST or len(seeds) != 1:
        return None
    if any(set(choices) != set(names) for choices in shown.values()):
        return None
    scores = {
        name: np.array([[run.success.mean() for run in choices[name]] for choices in shown.values()]).T
        for name in names
    }
    rows = [
        (
            name,
            iqm_interval(scores[name]) if len(scores[name]) > 1 else _one_seed(shown, name),
            float(
                np.mean([probability_of_improvement(scores[name], scores[other]) for other in names if other != name])
            ),
        )
        for name in names
    ]
    return across_table(sorted(rows, key=lambda row: -row[1].value), len(shown), seeds.pop())


def _one_seed(shown: Mapping[str, Mapping[str, list[Outcomes]]], name: str) -> Interval:
    return iqm_over_episodes([choices[name][0].success for choices in shown.values()])


def _planning_against_cloning(played: Played) -> list[Difference]:
    """Over the tasks of one choice; nothing where the sweep varies it, since pooling would mix choices."""
    if len({choice for choices in played.values() for choice in choices}) != 1 or len(played) < BEST_AND_REST:
        return []
    arms = {task: next(iter(choices.values())) for task, choices in played.items()}
    return compare_by_type(arms, MAIN_ARM, "bc")


def _verdicts(
    records: Sequence[RunRecord],
    missing: Sequence[tuple[str, ...]],
    cells: Sequence[SweepCell],
    duels: Sequence[tuple[str, list[Difference]]],
    played: Played,
) -> list[str]:
    verdicts = []
    for task, pairs in duels:
        if not pairs:
            continue
        best, worse = pairs[0].a, [pair.b for pair in pairs if is_significant(pair)]
        does = "earns most" if only_pays(played[task]) else "solves most"
        rate = f"({pairs[0].rate_a.bounds()}, n={pairs[0].rate_a.n})"
        if worse:
            claim = f"{best} {does} {rate}; significantly better (95 % CI) than {', '.join(worse)}."
            verdicts.append(f"{task}: {with_seeds(min(pair.seeds for pair in pairs), claim)}")
        else:
            verdicts.append(f"{task}: cannot tell which choice {does}; {best} comes first {rate}.")
    if not verdicts:  # nothing was chosen between: what each run found is the answer
        results = [record.result for record in records if record.result is not None]
        verdicts = [
            f"{r['labels'].get('exercise', 'run')} on {r['task']}: {r['verdict']}" for r in results[:MOST_VERDICTS]
        ]
    verdicts += [
        f"{task} was played on {len(found)} different manifests; they are shown apart, never pooled."
        for task, found in manifests_of(cells).items()
        if len(found) > 1
    ]
    lost = sum(record.result is None for record in records)
    if lost or missing:
        verdicts.append(
            f"{lost} of {len(records) + len(missing)} runs left no result and {len(missing)} were not begun."
        )
    return verdicts or [f"{len(records)} runs, each with its own verdict below."]


def _mean(seeds: Sequence[Outcomes], measure: str) -> float:
    return float(np.mean([getattr(run, measure).mean() for run in seeds]))
