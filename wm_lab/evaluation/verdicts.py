"""One sentence an exercise ends in, computed from intervals alone; "cannot tell" is a verdict.

A difference is significant when its interval excludes zero and its p value survives Holm's correction. So a verdict
over several task types claims something false in at most 5 % of experiments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from wm_lab.evaluation.assessment import LINEAR, OVERALL, PERSISTENCE, SHUFFLED, Assessment
from wm_lab.evaluation.comparison import MEASURES, Attribution, Difference
from wm_lab.evaluation.horizon import Horizon
from wm_lab.evaluation.interval import LEVEL, Interval

EQUAL_MARGIN = 0.1
"""A difference whose whole interval lies within this is said to be small, not unknown, where none is significant."""

ARM_WORDS = {
    "mpc": "planning",
    "bc": "cloning",
    "local": "local planning",
    "selected": "the selected policy",
    "value": "planning with a value",
    "local_value": "local planning with a value",
    "actor": "the actor",
    "mpc_actor": "planning with actor and critic",
    "simulator": "true dynamics",
    "gcbc": "the goal-conditioned clone",
    "straight": "going straight at the goal",
}
"""How arms are called in a sentence; others by their own name."""


def seeds_prefix(seeds: int) -> str:
    """How a sentence about what was learned begins: a result of one training is not one of the method.

    `in this training, `, or `over 5 training seeds, `; nothing where nothing was learned (0).
    """
    if not seeds:
        return ""
    return "in this training, " if seeds == 1 else f"over {seeds} training seeds, "


def with_seeds(seeds: int, sentence: str) -> str:
    """The sentence, preceded by the number of trainings behind it where it claims anything."""
    return sentence if sentence.startswith("cannot tell") else seeds_prefix(seeds) + sentence


def is_significant(difference: Difference) -> bool:
    """Whether the data tell that one arm is better."""
    apart = difference.difference.positive or difference.difference.negative
    return apart and difference.p_adjusted <= 1 - LEVEL


def planning_verdict(differences: Sequence[Difference], kind: str = "tasks") -> str:
    """What the paired differences of one pair of arms say, one for each task type (or task: `kind=""`)."""
    if not differences:
        return "cannot tell: no task has both arms."
    a, b = (ARM_WORDS.get(name, name) for name in (differences[0].a, differences[0].b))
    groups: dict[str, list[str]] = {}
    for d in differences:
        groups.setdefault(_relation(d, a, b), []).append(_on(d, kind))
    order = [f"{a} beats {b}", f"{b} beats {a}", _alike(a, b), _open(a, b)]
    sentence = "; ".join(f"{relation} {_listed(groups[relation])}" for relation in order if relation in groups)
    return with_seeds(min(d.seeds for d in differences), f"{sentence}.")


def return_verdict(differences: Sequence[Difference]) -> str:
    """What one arm earns more than each other arm `b`, on a task that has nothing but rewards."""
    if not differences:
        return "cannot tell what planning earns more than: nobody else has played."
    who = ARM_WORDS.get(differences[0].a, differences[0].a)
    significant = [d for d in differences if is_significant(d)]
    parts = [
        f"{abs(d.difference.value):.3g} {'more' if d.difference.positive else 'less'} than "
        f"{ARM_WORDS.get(d.b, d.b)} ({_counted(d)})"
        for d in significant
    ]
    open_ = [f"{ARM_WORDS.get(d.b, d.b)} ({_counted(d)})" for d in differences if d not in significant]
    told = [f"{who} earns {_listed(parts)}"] if parts else []
    told += [f"cannot tell that {who} earns more or less than {_listed(open_)}"] if open_ else []
    return with_seeds(min((d.seeds for d in significant), default=0), f"{'; '.join(told)}.")


def clone_verdict(differences: Sequence[Difference]) -> str:
    """How one planning arm does against the clone on one task, a difference for each measure.

    `over 3 training seeds, local planning does better than cloning on hand/place: success 0.96 against 0.90, better by
    0.06 [0.02, 0.11]; steps 34.1 against 39.4, cannot tell which is better (-5.3 [-11.0, 0.3]); n=100.`
    """
    first = differences[0]
    a, b = (ARM_WORDS.get(name, name) for name in (first.a, first.b))
    told = "; ".join(f"{d.measure} {_values(d)}, {_claim(d)}" for d in differences)
    better = {d.better == d.a for d in differences if is_significant(d)}
    claim = {
        frozenset(): f"cannot tell that {a} does better or worse than {b}",
        frozenset({True}): f"{a} does better than {b}",
        frozenset({False}): f"{a} does worse than {b}",
        frozenset({True, False}): f"{a} does better than {b} in one way and worse in another",
    }[frozenset(better)]
    return with_seeds(first.seeds, f"{claim} on {first.name}: {told}; n={first.difference.n}.")


def clones_verdict(differences: Sequence[Difference]) -> str:
    """On how many tasks one planning arm is significantly better or worse than the clone, in anything and by measure.

    `over 3 training seeds, local planning does better than cloning on 3 (a, b, c) of 12 tasks: in success on 2 (a, b)
    and worse on 0; in steps on 2 (b, c) and worse on 0.`
    """
    first = differences[0]
    a, b = (ARM_WORDS.get(name, name) for name in (first.a, first.b))
    by_measure = {m: [d for d in differences if d.measure == m] for m in dict.fromkeys(d.measure for d in differences)}
    parts = [
        f"in {m} on {_tasks(found, first.a)} and worse on {_tasks(found, first.b)}" for m, found in by_measure.items()
    ]
    tasks = len({d.name for d in differences})
    return (
        f"{seeds_prefix(first.seeds)}{a} does better than {b} on {_tasks(differences, first.a)} of {tasks} "
        f"task{'s' * (tasks > 1)}: {'; '.join(parts)}."
    )


def _tasks(differences: Sequence[Difference], better: str) -> str:
    """`2 (a, b)`: tasks where this arm is significantly better in one of the differences."""
    names = list(dict.fromkeys(d.name for d in differences if is_significant(d) and d.better == better))
    return f"{len(names)} ({', '.join(names)})" if names else "0"


def _values(d: Difference) -> str:
    decimals = 1 if MEASURES[d.measure].less else 2
    return f"{d.rate_a.value:.{decimals}f} against {d.rate_b.value:.{decimals}f}"


def _claim(d: Difference) -> str:
    """Whether one is better by so much, the sign turned so that it is above zero."""
    if not is_significant(d):
        return f"cannot tell which is better ({d.difference.bounds()})"
    gap = d.difference if d.difference.positive else d.difference.turned()
    return f"{'better' if d.better == d.a else 'worse'} by {gap.bounds()}"


def attribution_verdict(gaps: Attribution, seeds: int = 0) -> str:
    """Whose fault the distance to the expert is; to planning in the true dynamics, where there is no expert."""
    shown = isfinite(gaps.planner.value)
    ideal = "the expert" if shown else "planning in the true dynamics"
    if not gaps.whole.positive:
        return f"cannot tell that the learned planner does worse than {ideal}: the gap is {gaps.whole}."
    parts = {"planner": gaps.planner} if shown else {}
    parts |= {"cost": gaps.cost, "model": gaps.model}
    real = sorted(gaps.significant, key=lambda name: -parts[name].value)
    open_ = [name for name in parts if name not in real]
    whole = with_seeds(seeds, f"the gap to {ideal} is {gaps.whole}")
    found = ", ".join(f"the {name} loses {parts[name].bounds()}" for name in real)
    rest = ", ".join(f"{name} {parts[name].bounds()}" for name in open_)
    if not real:
        return f"{whole}; cannot tell which part loses it ({rest})."
    return f"{whole}: {found}" + (f"; not distinguishable from zero: {rest}." if rest else ".")


def starts_verdict(redrawn: int, episodes: int) -> list[str]:
    """What is said of starts that were solved before the first step; nothing where there were none."""
    if not redrawn:
        return []
    one = redrawn == 1
    were, drawn = ("was", "another was drawn in its") if one else ("were", "others were drawn in their")
    return [f"{redrawn} of {episodes} starts {were} solved before the first step; {drawn} place."]


def exploitation_verdict(gap: Interval, seeds: int = 0) -> str:
    """Whether the planner exploits its model's errors; `gap` is the predicted minus the realised return of a plan."""
    if gap.positive:
        return with_seeds(seeds, f"the predicted return of chosen plans exceeds the realised return by {gap}.")
    if gap.negative:
        return with_seeds(
            seeds, f"the predicted return of chosen plans is below the realised return: predicted − realised is {gap}."
        )
    return f"cannot tell that the predicted return of chosen plans exceeds the realised return: {gap}."


def privileged_verdict(task: str, arms: Sequence[str]) -> str:
    """That these arms are privileged: they know the noise to come, which better dynamics alone would not tell them."""
    return (
        f"{task} draws noise during its episodes, and {' and '.join(arms)} know{'s' if len(arms) == 1 else ''} it in "
        "advance: the true dynamics are simulated with the very noise that will come, which no model can know."
    )


def imagination_verdict(assessment: Assessment, control_hz: float | None = None) -> str:
    """How far ahead the model's imagination can be used, and what ends it."""
    if SHUFFLED in assessment.beats and assessment.actions[OVERALL].significant == 0:
        sentence = (
            "the model's imagination is not useful: other actions change it too little to tell at any of "
            f"{assessment.useful.limit} steps (n={assessment.episodes} episodes)."
        )
        return with_seeds(assessment.trainings, sentence)
    useful = assessment.useful
    seconds = f" ({useful.value / control_hz:.2g} s)" if control_hz else ""
    head = (
        f"the model's imagination is useful for {useful.bounds()} steps{seconds}"
        if useful.low
        else f"cannot tell that the model's imagination is useful for any step ({useful.bounds()})"
    )
    beats = [
        f"{words} {_up_to(assessment.beats[name][OVERALL])}"
        for name, words in ((PERSISTENCE, "persistence"), (LINEAR, "the linear model"))
        if name in assessment.beats
    ]
    kept = [_kept(name, horizon, assessment) for name, horizon in assessment.tolerance.items()]
    parts = "; ".join([f"it is significantly better (95 % CI) than {', than '.join(beats)}", *kept])
    sentence = f"{head}: {parts} (n={assessment.episodes} episodes, {assessment.windows} windows)."
    return with_seeds(assessment.trainings, sentence)


def by_group(assessments: Mapping[str, Assessment]) -> str:
    """Contact beside free motion, where both were seen; empty otherwise."""
    if not {"contact", "free"} <= assessments.keys():
        return ""
    contact, free = assessments["contact"].useful, assessments["free"].useful
    sentence = (
        f"the model's imagination is useful for {contact.bounds()} steps in contact, {free.bounds()} in free motion."
    )
    return with_seeds(assessments["contact"].trainings, sentence)


def _relation(d: Difference, a: str, b: str) -> str:
    if is_significant(d):
        return f"{a} beats {b}" if d.difference.positive else f"{b} beats {a}"
    if d.difference.within(EQUAL_MARGIN):
        return _alike(a, b)
    return _open(a, b)


def _alike(a: str, b: str) -> str:
    return f"{a} and {b} lie within {EQUAL_MARGIN} of one another"


def _open(a: str, b: str) -> str:
    return f"cannot tell whether {a} or {b} is better"


def _on(d: Difference, kind: str) -> str:
    """`on contact tasks by 0.31 [0.20, 0.42] (n=100)`, the sign turned to the winner's side."""
    gap, by = d.difference, "by " if is_significant(d) else ""
    if is_significant(d) and gap.negative:
        gap = gap.turned()
    amount = f"{by}{gap}" if by else f"({_counted(d)})"
    return " ".join(word for word in ("on", d.name, kind, amount) if word)


def _counted(d: Difference) -> str:
    """`0.05 [-0.01, 0.12], n=100`, to stand in brackets."""
    return f"{d.difference.bounds()}, n={d.difference.n}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _up_to(horizon: Horizon) -> str:
    return f"to step {horizon.claim()}" if horizon.significant else "at no step"


def _kept(name: str, horizon: Horizon, assessment: Assessment) -> str:
    limit = f"{assessment.tolerances[name]:g} {assessment.units[name]}".strip()
    reach = f"for {horizon.claim()} steps" if horizon.significant else "for no step"
    return f"it stays inside the task's tolerance ({name}, {limit}) {reach}"
