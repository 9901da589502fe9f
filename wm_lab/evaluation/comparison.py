"""Success tables: rates of every arm, paired differences by task type, and whose fault the gap is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wm_lab.evaluation.aggregates import holm
from wm_lab.evaluation.interval import LEVEL, Interval, undefined
from wm_lab.evaluation.outcomes import Arm, Outcomes, first, runs, stack
from wm_lab.evaluation.over_seeds import SINGLE, over_seeds, paired, paired_test

Results = Mapping[str, Mapping[str, Arm]]
"""{task: {arm: Arm}}"""


@dataclass(frozen=True)
class Measure:
    """What one arm may do better than another in the same episodes."""

    name: str  # in tables
    values: str  # what of `Outcomes` holds it, [E]
    less: bool = False  # the less of it the better


SUCCESS, STILL_THERE = Measure("success", "success"), Measure("still there", "success_at_end")
STEPS, RETURN = Measure("steps", "steps_or_budget", less=True), Measure("return", "episode_return")

MEASURES = {measure.name: measure for measure in (SUCCESS, STILL_THERE, STEPS, RETURN)}


@dataclass(frozen=True)
class SuccessRow:
    """One arm on one task."""

    task: str
    arm: str
    tags: tuple[str, ...]
    success: Interval  # first hit
    at_end: Interval  # still there in the last step played
    steps: Interval  # mean control steps to success, over the solved episodes (its n)
    episode_return: Interval
    decision_ms: float  # median over episodes of wall milliseconds per decision
    predicted_minus_realised: Interval  # return of a plan; above zero the planner exploits the model
    seeds: int  # training seeds behind the row


@dataclass(frozen=True)
class Difference:
    """Arm a minus arm b, paired over the same episodes: of success rates, or of the means of another measure."""

    name: str  # a task or a task type
    a: str
    b: str
    rate_a: Interval
    rate_b: Interval
    difference: Interval
    p: float  # of one training seed's rates McNemar's mid-p; else the share of error at which the interval ends at 0
    p_adjusted: float  # Holm, over all the differences that were asked for together
    tasks: tuple[str, ...]
    seeds: int = 1  # training seeds behind it, of the arm that has more
    measure: str = SUCCESS.name

    @property
    def better(self) -> str:
        """The arm that does better by the estimate alone."""
        return self.a if (self.difference.value > 0) != MEASURES[self.measure].less else self.b


@dataclass(frozen=True)
class Attribution:
    """Where expert − MPC(learned dynamics, learned cost) goes; `planner` + `cost` + `model` = `total`.

    Where there is no expert, `planner` is undefined and `total` begins at MPC(true dynamics, true cost).
    """

    planner: Interval  # expert − MPC(true dynamics, true cost): search, horizon, budget
    cost: Interval  # MPC(true, true) − MPC(true, learned cost): what the learned objective misjudges
    model: Interval  # MPC(true, learned cost) − MPC(learned, learned cost): what the dynamics mispredict
    total: Interval
    model_under_true_cost: Interval
    """MPC(true, true) − MPC(learned, true): the model gap on the other path; undefined where no cost judges states."""
    whole: Interval
    """As `total`, over all the episodes that both have played: those in the true dynamics are slow, and play fewer."""
    significant: tuple[str, ...]  # of "planner", "cost" and "model" those that lose something, Holm over the three


def success_rows(results: Results) -> list[SuccessRow]:
    """One row for every arm of every task, in the order given."""
    return [_success_row(task, name, arm) for task, arms in results.items() for name, arm in arms.items()]


def compare(a: Arm, b: Arm, name: str | None = None) -> Difference:
    """Success of a minus success of b on one task."""
    task = runs(a)[0].manifest.task
    return compare_pooled([(a, b)], name or task)


def compare_pooled(pairs: Sequence[tuple[Arm, Arm]], name: str) -> Difference:
    """Success of a minus success of b over the episodes of several tasks taken together."""
    if not pairs:
        raise ValueError(f"no task to compare for {name!r}")
    flags = [_paired_flags(a, b) for a, b in pairs]
    a, b = (np.concatenate([pair[i] for pair in flags], axis=1) for i in (0, 1))  # [S, E of all tasks]
    difference, p = paired_test(a, b)
    first, second = runs(pairs[0][0])[0], runs(pairs[0][1])[0]
    tasks = tuple(runs(arm)[0].manifest.task for arm, _ in pairs)
    return Difference(name, first.arm, second.arm, over_seeds(a), over_seeds(b), difference, p, p, tasks, len(a))


def compare_by_type(results: Results, a: str, b: str) -> list[Difference]:
    """Arm a minus arm b for every task type (tag) that has both arms, with Holm's correction over the types."""
    both = {task: arms for task, arms in results.items() if a in arms and b in arms}
    members: dict[str, list[tuple[Arm, Arm]]] = {}
    for arms in both.values():
        for tag in runs(arms[a])[0].manifest.tags:
            members.setdefault(tag, []).append((arms[a], arms[b]))
    return adjust([compare_pooled(pairs, tag) for tag, pairs in members.items()])


def adjust(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences, knowing how many questions were asked."""
    adjusted = holm([d.p for d in differences])
    return [replace(d, p_adjusted=float(p)) for d, p in zip(differences, adjusted, strict=True)]


def compare_pairs(
    arms: Mapping[str, Arm],
    pairs: Sequence[tuple[str, str]],
    compared: Callable[[Arm, Arm, str], Difference] | None = None,
) -> list[Difference]:
    """Those of the pairs that were played, in success unless `compared` says otherwise; slow arms play the first of the
    episodes alone."""
    differences = []
    for a, b in pairs:
        if a in arms and b in arms:
            both = min(len(runs(arms[name])[0].manifest) for name in (a, b))
            differences.append((compared or compare)(first(arms[a], both), first(arms[b], both), f"{a} − {b}"))
    return adjust(differences)


def compare_returns(a: Arm, b: Arm, name: str | None = None) -> Difference:
    """Return of a minus return of b over the same episodes, for tasks that have nothing but rewards."""
    return compare_in(RETURN, a, b, name)


def compare_in(measure: Measure, a: Arm, b: Arm, name: str | None = None) -> Difference:
    """Arm a minus arm b in this measure over the same episodes of one task."""
    first, second = runs([*runs(a), *runs(b)])[0], runs(b)[0]  # refuses to pair different manifests
    mine, theirs = paired(stack(a, measure.values), stack(b, measure.values))
    difference, p = paired_test(mine, theirs)
    task, rates = first.manifest.task, (over_seeds(mine), over_seeds(theirs))
    return Difference(name or task, first.arm, second.arm, *rates, difference, p, p, (task,), len(mine), measure.name)


def attribute(
    *,
    expert: Arm | None,
    true_true: Arm,
    true_learned: Arm,
    learned_true: Arm | None,
    learned_learned: Arm,
    compared: Callable[[Arm, Arm], Difference] = compare,
) -> Attribution:
    """The 2×2 of {dynamics}_{cost}: true or learned dynamics, judged by the true or the learned cost.

    Parts are over the first episodes, as many as every arm has played; so they add up.

    compared: by success, or by returns (`compare_returns`)
    """

    given = [arm for arm in (expert, true_true, true_learned, learned_true, learned_learned) if arm is not None]
    few = min(_episodes(arm) for arm in given)
    ideal = true_true if expert is None else expert

    def gap(better: Arm | None, worse: Arm | None) -> Difference | None:
        return None if better is None or worse is None else compared(first(better, few), first(worse, few))

    parts = {
        "planner": gap(expert, true_true),
        "cost": gap(true_true, true_learned),
        "model": gap(true_learned, learned_learned),
    }
    known = {name: part for name, part in parts.items() if part is not None}
    adjusted = adjust(list(known.values()))
    both = min(_episodes(ideal), _episodes(learned_learned))
    total, other = gap(ideal, learned_learned), gap(true_true, learned_true)
    return Attribution(
        **{name: undefined() if part is None else part.difference for name, part in parts.items()},
        total=undefined() if total is None else total.difference,
        model_under_true_cost=undefined() if other is None else other.difference,
        whole=compared(first(ideal, both), first(learned_learned, both)).difference,
        significant=tuple(
            name
            for name, part in zip(known, adjusted, strict=True)
            if part.difference.positive and part.p_adjusted <= 1 - LEVEL
        ),
    )


def _episodes(arm: Arm) -> int:
    return len(runs(arm)[0].manifest)


def exploitation(arm: Arm) -> Interval:
    """Predicted minus realised return of the chosen plans, over episodes; above zero the planner exploits the model."""
    gap = stack(arm, "predicted") - stack(arm, "realised")
    return over_seeds(gap.round(SINGLE))  # in the true dynamics both differ by rounding alone


def _success_row(task: str, name: str, arm: Arm) -> SuccessRow:
    every: list[Outcomes] = runs(arm)
    tested = bool(every[0].manifest.success_test)
    return SuccessRow(
        task=task,
        arm=name,
        tags=every[0].manifest.tags,
        success=over_seeds(stack(arm, "success")) if tested else undefined(len(every[0].manifest)),
        at_end=over_seeds(stack(arm, "success_at_end")) if tested else undefined(),
        steps=over_seeds(stack(arm, "steps_to_success")),
        episode_return=over_seeds(stack(arm, "episode_return")),
        decision_ms=float(np.median(stack(arm, "decision_ms"))),
        predicted_minus_realised=exploitation(arm),
        seeds=len(every),
    )


def _paired_flags(a: Arm, b: Arm) -> tuple[np.ndarray, np.ndarray]:
    """Success flags [S, E] of both arms; an arm without training seeds (the expert) meets every seed of the other."""
    runs([*runs(a), *runs(b)])  # refuses to pair different manifests
    return paired(stack(a, "success"), stack(b, "success"))
