"""What a nudge costs: the success of arms that were disturbed, against their own on the same episodes undisturbed, and
against that of the clone under the same nudge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wm_lab.evaluation.against_clone import CLONE, PLANNERS
from wm_lab.evaluation.comparison import Difference, Results, adjust, compare
from wm_lab.evaluation.outcomes import Arm, first, runs
from wm_lab.evaluation.verdicts import ARM_WORDS, is_significant, seeds_prefix

NUDGED = "_nudged_"


def nudged_name(arm: str, group: str) -> str:
    """How the arm is called when its actions of this group were disturbed: `bc_nudged_orientation`."""
    return f"{arm}{NUDGED}{group}"


def split_name(name: str) -> tuple[str, str]:
    """(arm, group) of a name; the group is empty for an arm that nobody disturbed."""
    arm, _, group = name.partition(NUDGED)
    return arm, group


def undisturbed(arms: Mapping[str, Arm]) -> dict[str, Arm]:
    """Those of the arms that nobody disturbed."""
    return {name: arm for name, arm in arms.items() if not split_name(name)[1]}


def nudge_differences(results: Results) -> list[Difference]:
    """Success of every nudged arm minus its own without the nudge, over the first episodes, which both have played."""
    return adjust(
        [
            replace(compare(nudged, first(arms[split_name(name)[0]], len(runs(nudged)[0].manifest)), task), a=name)
            for task, arms in results.items()
            for name, nudged in arms.items()
            if split_name(name)[1] and split_name(name)[0] in arms
        ]
    )


def nudged_against_clone(results: Results) -> list[Difference]:
    """Success of every planning arm under a nudge minus the clone's under the same one, in the same episodes."""
    return adjust(
        [
            replace(compare(arms[name], arms[clone], task), a=name, b=clone)
            for task, arms in results.items()
            for name in arms
            if split_name(name)[0] in PLANNERS and (clone := nudged_name(CLONE, split_name(name)[1])) in arms
        ]
    )


def robustness_verdicts(differences: Sequence[Difference], steps: int) -> list[str]:
    """One sentence for every arm that learnt something, on what it bears worst.

    steps: how many were disturbed
    """
    worst: dict[str, Difference] = {}
    for d in differences:
        if d.b not in worst or d.difference.value < worst[d.b].difference.value:
            worst[d.b] = d
    return [_sentence(d, steps) for d in worst.values() if d.b != "expert"]


def _sentence(d: Difference, steps: int) -> str:
    """`after 2 disturbed steps of orientation cloning solves 12 of 50, undisturbed 48: 0.72 [0.58, 0.83] less.`"""
    arm, group = split_name(d.a)
    played = d.difference.n * d.seeds
    told = (
        f"after {steps} disturbed steps of {group} {ARM_WORDS.get(arm, arm)} solves {round(d.rate_a.value * played)} "
        f"of {played}, undisturbed {round(d.rate_b.value * played)}"
    )
    if is_significant(d):
        gap, word = (d.difference.turned(), "less") if d.difference.negative else (d.difference, "more")
        return f"{seeds_prefix(d.seeds)}{told}: {gap.bounds()} {word}."
    return f"{seeds_prefix(d.seeds)}{told}: cannot tell a change ({d.difference.bounds()})."


def nudged_clone_verdicts(differences: Sequence[Difference], steps: int) -> list[str]:
    """A sentence for every nudge that planning bears better, or worse, than the clone; or that none can be told.

    differences: see `nudged_against_clone`
    """
    told = [_beside_clone(d, steps) for d in differences if is_significant(d)]
    if differences and not told:
        told = [f"cannot tell that planning bears {steps} disturbed steps better or worse than cloning."]
    return told


def _beside_clone(d: Difference, steps: int) -> str:
    """`after 2 disturbed steps of orientation local planning solves 0.86 and cloning 0.68: 0.18 [0.07, 0.30] more.`"""
    arm, group = split_name(d.a)
    gap, word = (d.difference, "more") if d.difference.positive else (d.difference.turned(), "less")
    rates = f"{ARM_WORDS.get(arm, arm)} solves {d.rate_a.value:.2f} and cloning {d.rate_b.value:.2f}"
    return f"{seeds_prefix(d.seeds)}after {steps} disturbed steps of {group} {rates}: {gap.bounds()} {word}."
