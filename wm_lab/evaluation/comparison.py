"""Success tables: rates of every arm, paired differences by task type, and whose fault the gap is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from wm_lab.evaluation import proportions
from wm_lab.evaluation.bootstrap import bootstrap_mean
from wm_lab.evaluation.interval import LEVEL, Interval, undefined
from wm_lab.evaluation.outcomes import Arm, Outcomes, runs, stack
from wm_lab.evaluation.statistics import crossed_mean, holm

SINGLE = 5
"""Decimals that a sum of rewards in single precision is good for."""

Results = Mapping[str, Mapping[str, Arm]]
"""{task: {arm: Arm}}"""


@dataclass(frozen=True)
class SuccessRow:
    """One arm on one task."""

    task: str
    arm: str
    tags: tuple[str, ...]
    success: Interval  # first hit
    at_end: Interval  # still there at the end of the step budget
    steps: Interval  # mean control steps to success, over the solved episodes (its n)
    episode_return: Interval
    decision_ms: float  # median over episodes of wall milliseconds per decision
    promised: Interval  # imagined minus realised return per plan; above zero the plan promised too much
    seeds: int  # training seeds behind the row


@dataclass(frozen=True)
class Difference:
    """Arm a minus arm b, paired over the same episodes."""

    name: str  # a task or a task type
    a: str
    b: str
    rate_a: Interval
    rate_b: Interval
    difference: Interval
    p: float  # exact McNemar for one training seed, Student's t over seeds for more
    p_adjusted: float  # Holm, over all the differences that were asked for together
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Attribution:
    """Where expert − MPC(learned dynamics, learned cost) goes; `planner` + `cost` + `model` = `total`."""

    planner: Interval  # expert − MPC(true dynamics, true cost): search, horizon, budget
    cost: Interval  # MPC(true, true) − MPC(true, learned cost): what the learned objective misjudges
    model: Interval  # MPC(true, learned cost) − MPC(learned, learned cost): what the dynamics mispredict
    total: Interval
    model_under_true_cost: Interval  # MPC(true, true) − MPC(learned, true): the model gap on the other path


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
    difference, p = _paired_interval(a, b)
    first, second = runs(pairs[0][0])[0], runs(pairs[0][1])[0]
    tasks = tuple(runs(arm)[0].manifest.task for arm, _ in pairs)
    return Difference(name, first.arm, second.arm, _rate(a), _rate(b), difference, p, p, tasks)


def compare_by_type(results: Results, a: str, b: str) -> list[Difference]:
    """Arm a minus arm b for every task type (tag) that has both arms, with Holm's correction over the types."""
    both = {task: arms for task, arms in results.items() if a in arms and b in arms}
    members: dict[str, list[tuple[Arm, Arm]]] = {}
    for arms in both.values():
        for tag in runs(arms[a])[0].manifest.tags:
            members.setdefault(tag, []).append((arms[a], arms[b]))
    return adjust([compare_pooled(pairs, tag) for tag, pairs in members.items()])


def compare_by_task(results: Results, a: str, b: str) -> list[Difference]:
    """Arm a minus arm b for every task that has both arms, with Holm's correction over the tasks."""
    both = [arms for arms in results.values() if a in arms and b in arms]
    return adjust([compare(arms[a], arms[b]) for arms in both])


def adjust(differences: Sequence[Difference]) -> list[Difference]:
    """The same differences, knowing how many questions were asked."""
    adjusted = holm([d.p for d in differences])
    return [replace(d, p_adjusted=float(p)) for d, p in zip(differences, adjusted, strict=True)]


def compare_returns(a: Arm, b: Arm) -> Interval:
    """Return of a minus return of b over the same episodes, for tasks that have nothing but rewards."""
    runs([*runs(a), *runs(b)])  # refuses to pair different manifests
    return _mean(stack(a, "episode_return") - stack(b, "episode_return"))


def attribute(
    *, expert: Arm, true_true: Arm, true_learned: Arm, learned_true: Arm, learned_learned: Arm
) -> Attribution:
    """The 2×2 of {dynamics}_{cost}: true or learned dynamics, judged by the true or the learned cost."""

    def gap(better: Arm, worse: Arm) -> Interval:
        return compare(better, worse).difference

    return Attribution(
        planner=gap(expert, true_true),
        cost=gap(true_true, true_learned),
        model=gap(true_learned, learned_learned),
        total=gap(expert, learned_learned),
        model_under_true_cost=gap(true_true, learned_true),
    )


def exploitation(arm: Arm) -> Interval:
    """Imagined minus realised return of the chosen plans, over episodes; above zero the planner exploits the model."""
    promised = stack(arm, "imagined") - stack(arm, "realised")
    return _mean(promised.round(SINGLE))  # the true dynamics keep their word but for rounding


def _success_row(task: str, name: str, arm: Arm) -> SuccessRow:
    every: list[Outcomes] = runs(arm)
    tested = bool(every[0].manifest.success_test)
    return SuccessRow(
        task=task,
        arm=name,
        tags=every[0].manifest.tags,
        success=_rate(stack(arm, "success")) if tested else undefined(len(every[0].manifest)),
        at_end=_rate(stack(arm, "success_at_end")) if tested else undefined(),
        steps=bootstrap_mean(_over_seeds(stack(arm, "steps_to_success"))),
        episode_return=_mean(stack(arm, "episode_return")),
        decision_ms=float(np.median(stack(arm, "decision_ms"))),
        promised=exploitation(arm),
        seeds=len(every),
    )


def _mean(values: np.ndarray) -> Interval:
    """Mean of [S, E] over training seeds and episodes; where an episode has no number, over the episodes that have."""
    if len(values) == 1 or np.isnan(values).any():
        return bootstrap_mean(_over_seeds(values))
    return crossed_mean(values)._replace(n=values.shape[1])


def _over_seeds(values: np.ndarray) -> np.ndarray:
    """Mean over training seeds [S, E] -> [E] of the values there are; NaN where no seed has one."""
    known = ~np.isnan(values)
    count = known.sum(0)
    return np.where(count > 0, np.where(known, values, 0).sum(0) / np.maximum(count, 1), np.nan)


def _paired_flags(a: Arm, b: Arm) -> tuple[np.ndarray, np.ndarray]:
    """Success flags [S, E] of both arms; an arm without training seeds (the expert) meets every seed of the other."""
    runs([*runs(a), *runs(b)])  # refuses to pair different manifests
    mine, theirs = stack(a, "success"), stack(b, "success")
    if 1 not in (len(mine), len(theirs)) and len(mine) != len(theirs):
        raise ValueError(f"arms of {len(mine)} and {len(theirs)} training seeds cannot be paired")
    return tuple(np.broadcast_arrays(mine, theirs))  # type: ignore[return-value]


def _rate(flags: np.ndarray) -> Interval:
    """Success rate of flags [S, E]: Wilson for one seed; seeds and episodes together, never narrower, for more."""
    seeds, episodes = flags.shape
    by_episode = proportions.wilson(float(flags.sum() / seeds), episodes)
    return by_episode if seeds == 1 else _wider(crossed_mean(flags), by_episode, floor=0.0)


def _paired_interval(a: np.ndarray, b: np.ndarray) -> tuple[Interval, float]:
    """Difference of success flags [S, E] with its p value."""
    seeds, episodes = a.shape
    only_a, only_b = float((a & ~b).sum() / seeds), float((b & ~a).sum() / seeds)
    by_episode = proportions.tango(proportions.Discordance(only_a, only_b, episodes))
    p = proportions.mcnemar_exact(proportions.Discordance(round(only_a), round(only_b), episodes))
    if seeds == 1:
        return by_episode, p
    by_seed = crossed_mean(a.astype(float) - b)
    reach = (by_seed.high - by_seed.low) / 2
    t = abs(by_seed.value) / reach * special.stdtrit(seeds - 1, (1 + LEVEL) / 2) if reach else np.inf
    return _wider(by_seed, by_episode, floor=-1.0), max(p, float(2 * special.stdtr(seeds - 1, -t)))


def _wider(by_seed: Interval, by_episode: Interval, floor: float) -> Interval:
    """Both intervals' reach, inside [floor, 1]: seeds that happen to agree must not hide that episodes are few."""
    low, high = min(by_seed.low, by_episode.low), max(by_seed.high, by_episode.high)
    return Interval(max(low, floor), by_seed.value, min(high, 1.0), by_episode.n)
