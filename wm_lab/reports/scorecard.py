"""What a world model is good for: one card a model and task, from what the exercises found that it was asked.

In 2026 the field asks an embodied world model what it is for: a data engine, a policy evaluator, a planner, a place to
learn in (WorldArena, arXiv 2602.08971), and not to claim more than its evidence (the ladder of arXiv 2606.15032). Each
role here is a number of an exercise, beside the floor and the ceiling that the same exercise gives it. A rung of the
ladder is reached only with all those below it, each by an interval that excludes chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from wm_lab.evaluation.assessment import PERSISTENCE
from wm_lab.evaluation.horizon import Horizon
from wm_lab.evaluation.interval import LEVEL, Interval
from wm_lab.evaluation.verdicts import seeds_prefix
from wm_lab.reports.cells import SweepCell, by_choice
from wm_lab.reports.runs import RunRecord
from wm_lab.reports.tables import Table

NONE = "–"

TOLD_BY = {"imagination": "held_out", "planning": "by_type", "policies": "ranking", "augmentation": "provenance"}
"""{exercise that a card is made of: what its numbers alone hold}, whatever a preset of it is called."""

LEAST = 2
"""Of them that it takes."""

RUNGS = (
    "predicts better than nothing moving",
    "answers to actions",
    "ranks policies",
    "plans better than chance",
    "lifts what is done or learned without it",
)
"""The ladder, lowest first."""


FIRST = "Of several runs that answered the same question, such as with another seed, the first."
"""Said of what is read off runs: a run of `seeds=3` speaks of all of its trainings, and runs are not pooled."""


class Role(NamedTuple):
    """One row of a card; words where a number stands, "–" where nobody told."""

    role: str
    measure: str
    value: str
    floor: str = NONE
    ceiling: str = NONE


class Card(NamedTuple):
    """What one model is good for on one task."""

    task: str
    choice: str
    roles: list[Role]
    reached: list[bool | None]  # each of `RUNGS`; None: no exercise asked
    seeds: int = 0  # trainings behind the run of fewest; 0: not known


Numbers = Mapping[str, Any]
"""Of a result, by exercise."""


def cards(records: Sequence[RunRecord]) -> list[Card]:
    """One for each choice and task that was asked whether it ranks policies, and something else."""
    trained = _trained(records)
    return [
        card(task, choice, asked, trained[task, choice])
        for (task, choice), asked in asked_by_choice(records).items()
        if "policies" in asked and len(asked) >= LEAST
    ]


def asked_by_choice(records: Sequence[RunRecord]) -> dict[tuple[str, str], dict[str, Numbers]]:
    """{(task, choice): numbers of each exercise}, of the first run that answered it."""
    found: dict[tuple[str, str], dict[str, Numbers]] = {}
    for choice, record in by_choice([record for record in records if record.result is not None]):
        assert record.result is not None
        asked = found.setdefault((str(record.result["task"]), choice), {})
        asked |= {exercise: numbers for exercise, numbers in asked_of(record).items() if exercise not in asked}
    return found


def _trained(records: Sequence[RunRecord]) -> dict[tuple[str, str], int]:
    """{(task, choice): trainings behind the run of fewest}"""
    found: dict[tuple[str, str], int] = {}
    for choice, record in by_choice([record for record in records if record.result is not None]):
        assert record.result is not None
        key, seeds = (str(record.result["task"]), choice), int(record.result.get("seeds", 0))
        found[key] = min(found.get(key, seeds), seeds)
    return found


def asked_of(record: RunRecord) -> dict[str, Numbers]:
    """What this run tells a card, by its exercise; nothing where it tells none."""
    numbers = record.result["numbers"] if record.result else {}
    return {exercise: numbers for exercise, told in TOLD_BY.items() if told in numbers}


def card(task: str, choice: str, asked: Mapping[str, Numbers], seeds: int = 0) -> Card:
    """asked: {exercise: numbers of its result}"""
    imagination, planning = _imagination(asked.get("imagination")), _planning(asked.get("planning"))
    policies, augmentation = _policies(asked.get("policies")), _augmentation(asked.get("augmentation"))
    roles = [*imagination[0], *policies[0][:1], *planning[0][:1], *planning[0][1:2], *policies[0][1:]]
    roles += [*augmentation[0], *planning[0][2:]]
    lifts = [found for found in (planning[1][1], augmentation[1][0]) if found is not None]
    reached = [*imagination[1], *policies[1], planning[1][0], any(lifts) if lifts else None]
    return Card(task, choice, roles, reached, seeds)


def scorecard_table(card: Card) -> Table:
    columns = ("role", "measured by", "this model", "floor", "ceiling")
    caption = (
        "95 % intervals; –: not asked, or there is none. Floor: chance, the untrained model, or random actions; "
        f"ceiling: the true simulator, or the expert. Rungs: {', '.join(RUNGS)}. {FIRST}"
    )
    title = f"What {card.choice} is good for on {card.task}"
    return Table(title, columns, [tuple(role) for role in card.roles], frozenset({"role", "measured by"}), caption)


def scorecard_verdict(card: Card) -> str:
    """The highest rung that the evidence reaches, and what the next one lacks."""
    height = next((number for number, found in enumerate(card.reached) if not found), len(RUNGS))
    told = f"{seeds_prefix(card.seeds)}on {card.task}, {card.choice} reaches rung {height} of {len(RUNGS)}"
    if height:
        told += f": it {' and '.join(filter(None, [', '.join(RUNGS[: height - 1]), RUNGS[height - 1]]))}"
    if height == len(RUNGS):
        return f"{told}."
    lacking = "was not asked" if card.reached[height] is None else "is not shown"
    return f"{told}; that it {RUNGS[height]} {lacking}."


Told = tuple[list[Role], list[bool | None]]
"""Rows of a card, and whether they reach the rungs that they are evidence for."""


def _imagination(numbers: Numbers | None) -> Told:
    """Perception and counterfactuals: two rungs."""
    what = [("perception", "steps better than nothing moving"), ("counterfactuals", "steps at which it reads actions")]
    if numbers is None:
        return [Role(*one, NONE) for one in what], [None, None]
    cell = SweepCell("", "", imagined=[dict(numbers)])
    variable = numbers["held_out"]["all"]["variables"][cell.variable]
    found = [Horizon(**variable[name]) for name in ("H_skill", "H_act")]
    rows = [Role(*one, horizon.bounds(), "0", f">{horizon.limit}") for one, horizon in zip(what, found, strict=True)]
    ratio = variable["skill"].get(PERSISTENCE, {})
    if ratio:
        step, saved = list(ratio.items())[-1]
        rows.insert(1, Role("", f"error saved, of nothing moving's, at {step}", _told(saved), "0", "1"))
    return rows, [horizon.significant > 0 for horizon in found]


def _policies(numbers: Numbers | None) -> Told:
    """Doubt and the evaluator: one rung."""
    what = [("policy evaluator", "Spearman's ρ of imagined and true success"), ("", "mean maximum rank violation")]
    doubt = Role("doubt", "does it doubt the episodes that it gets wrong? (AUC)", NONE, "0.5", "1")
    if numbers is None:
        return [doubt, *(Role(*one, NONE) for one in what)], [None]
    if numbers.get("doubt") is not None:
        doubt = doubt._replace(value=_told(numbers["doubt"]))
    worlds = [numbers["ranking"].get(name) for name in ("model", "untrained", "simulator")]
    rows = [
        Role(*one, *(NONE if world is None else _told(world[measure]) for world in worlds))
        for one, measure in zip(what, ("spearman", "mmrv"), strict=True)
    ]
    return [doubt, *rows], [_interval(worlds[0]["spearman"]).positive]


def _planning(numbers: Numbers | None) -> Told:
    """Exploitability, the planner and the place to learn in: the rung of planning, and whether it lifts."""
    optimism = Role("exploitability", "predicted − realised return of chosen plans", NONE, NONE, "0")
    planner, learner = Role("planner", "success", NONE), Role("place to learn in", "success of the actor", NONE)
    if numbers is None:
        return [optimism, planner, learner], [None, None]
    arms = {row["arm"]: row for row in numbers["rows"]}

    def success(arm: str) -> str:
        return _told(arms[arm]["success"]) if arm in arms else NONE

    rows = [
        optimism._replace(value=_told(arms["mpc"]["predicted_minus_realised"])),
        planner._replace(value=success("mpc"), floor=success("random"), ceiling=success("simulator")),
        learner._replace(value=success("actor"), floor=success("random"), ceiling=success("expert")),
    ]
    plans = None
    if "random" in arms:
        plans = _interval(arms["mpc"]["success"]).low > _interval(arms["random"]["success"]).high
    pairs = [*numbers.get("against_clone", ()), *numbers.get("differences", ())]
    better = [_better(pair) for pair in pairs if pair["b"] == "bc" and pair["measure"] == "success"]
    return rows, [plans, any(better) if better else None]


def _augmentation(numbers: Numbers | None) -> Told:
    """The data engine: whether it lifts."""
    row = Role("data engine", "success that its data add to a clone", NONE)
    found = {} if numbers is None else {each["name"]: each for each in numbers["differences"]}
    ours = [name for name in found if name.startswith("filtered_")]
    if not ours:
        return [row], [None]
    # Few demonstrations are where data matter most.
    name = min(ours, key=lambda name: int(name.split("_n")[1].split("_")[0]))
    others = [found.get(name.replace("filtered", arm)) for arm in ("untrained", "simulated")]
    told = [NONE if other is None else _told(other["difference"]) for other in others]
    measure = f"{row.measure} ({name.removeprefix('filtered_')})"
    return [Role(row.role, measure, _told(found[name]["difference"]), *told)], [
        any(_better(found[one]) for one in ours)
    ]


def _better(difference: Mapping[str, Any]) -> bool:
    """Whether a is significantly better than b."""
    return _interval(difference["difference"]).positive and difference["p_adjusted"] <= 1 - LEVEL


def _interval(values: dict[str, Any]) -> Interval:
    return Interval.from_dict(values)


def _told(values: dict[str, Any]) -> str:
    return _interval(values).bounds()
