"""What the runs of a sweep played: the outcomes of every arm, by task and choice, each arm told once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from wm_lab.evaluation.outcomes import Outcomes, runs
from wm_lab.reports.cells import MAIN_ARM, SweepCell, distinct

Played = dict[str, dict[str, dict[str, list[Outcomes]]]]
"""{task: {choice: {arm: one Outcomes a training}}}"""


def by_manifest(cells: Sequence[SweepCell]) -> Played:
    """A task that was played on two manifests counts as two."""
    manifests = manifests_of(cells)
    found: Played = {}
    for cell in cells:
        for manifest, arms in zip(cell.manifests, cell.outcomes, strict=True):
            several = len(manifests[cell.task]) > 1
            task = f"{cell.task} · manifest {manifest[:6]}" if several else cell.task
            for name, played in arms.items():
                mine = found.setdefault(task, {}).setdefault(cell.choice, {})
                mine[name] = distinct([*mine.get(name, ()), *played])
    return found


def manifests_of(cells: Sequence[SweepCell]) -> dict[str, set[str]]:
    """{task: hashes of the manifests it was played on}"""
    found: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        found[cell.task].update(cell.manifests)
    return found


def planned(played: Played) -> dict[str, dict[str, list[Outcomes]]]:
    """{task: {choice: the outcomes of its planner}}, without what nobody planned."""
    shown = {
        task: {name: arms[MAIN_ARM] for name, arms in choices.items() if MAIN_ARM in arms}
        for task, choices in played.items()
    }
    return {task: choices for task, choices in shown.items() if choices}


def arms_once(played: Played) -> dict[str, dict[str, list[Outcomes]]]:
    """Every arm once: what depends on nothing that was chosen, or on a part of it, did the same for several choices."""
    table: dict[str, dict[str, list[Outcomes]]] = {}
    for task, choices in played.items():
        rows = table.setdefault(task, {})
        for name in dict.fromkeys(name for arms in choices.values() for name in arms):
            alike: list[tuple[list[Outcomes], list[str]]] = []
            for choice, arms in choices.items():
                if name not in arms:
                    continue
                known = next((names for seeds, names in alike if same_play(seeds, arms[name])), None)
                if known is None:
                    alike.append((arms[name], [choice]))
                else:
                    known.append(choice)
            for seeds, names in alike:
                rows[name if len(names) == len(choices) else f"{name} ({_common(names)})"] = seeds
    return table


def per_choice(played: Played) -> dict[str, dict[str, list[Outcomes]]]:
    """The arms of every choice on every task, under a name for both where there are several choices."""
    return {
        task if len(choices) == 1 else f"{task}, {choice}": arms
        for task, choices in played.items()
        for choice, arms in choices.items()
    }


def same_play(a: Sequence[Outcomes], b: Sequence[Outcomes]) -> bool:
    """Whether the same was played."""
    return len(a) == len(b) and all(
        x.manifest.hash == y.manifest.hash and np.array_equal(x.episode_return, y.episode_return)
        for x, y in zip(a, b, strict=True)
    )


def _common(choices: Sequence[str]) -> str:
    """The words that all these choices share, or the first one whole."""
    shared = [word for word in choices[0].split() if all(word in choice.split() for choice in choices)]
    return " ".join(shared) or choices[0]


def only_pays(choices: Mapping[str, Mapping[str, list[Outcomes]]]) -> bool:
    """Whether this is a task without a success test."""
    return not next(run for arms in choices.values() for seeds in arms.values() for run in seeds).manifest.success_test


def pairable(a: Sequence[Outcomes], b: Sequence[Outcomes]) -> bool:
    """Equally many seeds, or one against many."""
    runs([*a, *b])
    return len(a) == len(b) or 1 in (len(a), len(b))
