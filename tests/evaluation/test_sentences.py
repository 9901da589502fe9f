"""Every verdict is a sentence with a subject, a verb and a number, whatever the intervals are: read by a small grammar.

A sentence is a prefix about trainings, then clauses between semicolons; what stands behind a colon explains. A clause
says something of a subject, or what cannot be told of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, product

import numpy as np
import pytest

from tests.evaluation.test_assessment import STEPS, VARIABLES, H, episodes_of, errors
from tests.exercises.test_integration import told as joined
from tests.exercises.test_latent import findings
from wm_lab.evaluation.assessment import assess
from wm_lab.evaluation.comparison import STEPS as STEPS_TO_SUCCESS
from wm_lab.evaluation.comparison import SUCCESS, Attribution, Difference
from wm_lab.evaluation.interval import Interval, undefined
from wm_lab.evaluation.nudges import nudged_clone_verdicts, nudged_name, robustness_verdicts
from wm_lab.evaluation.verdicts import (
    attribution_verdict,
    by_group,
    clone_verdict,
    clones_verdict,
    exploitation_verdict,
    imagination_verdict,
    planning_verdict,
    return_verdict,
    starts_verdict,
    with_seeds,
)
from wm_lab.exercises.imagination.answer import ratio_verdict
from wm_lab.exercises.imagination.imagined_frames import DISSIMILARITY, frames_verdict
from wm_lab.exercises.latent.answer import latent_verdicts
from wm_lab.exercises.policies.answer import CONTROLS, JudgedWorld, from_few, policies_verdicts
from wm_lab.exercises.policies.worlds import MODEL

PREFIX = re.compile(r"^(in this training, |over \d+ training seeds, )?")
SUBJECT = "|".join(
    (
        r"planning( with [\w ]+)?|the learned planner",
        r"local planning|cloning|true dynamics|greedy|it|others?|another",
        r"the (model's imagination|predicted return of chosen plans|gap to [\w ]+|planner|cost|model|t-SNE)",
        r"the (mean maximum rank violation|mean of \d+ trainings|linear model|untrained model|simulator)",
        r"imagination|its (mean width|doubt)",
        r"the latent(, in which [^,]+,)?",
        r"training|similar scenes|phases|imagined frames|clusters",
        r"after \d+ disturbed steps of \w+ (cloning|local planning)",
        r"toy/push|\d+ of \d+ starts|following (generated )?sub-goals[\w ]*",
    )
)
VERB = "|".join(
    (
        r"beats|earns|does (better|worse|better or worse) than|is|are|was|were",
        r"stays|captures|does not capture|raised|lowered|changed|keeps|leads|exceeds|loses",
        r"solves|falls short of|lie together|form|cluster|tell|holds",
        r"bears|ranks|agrees|overrates( or underrates)?|underrates|places|narrows|does not narrow",
        r"and [\w ]+ lie within|or [\w -]+ is better",
    )
)
CLAUSE = re.compile(rf"({SUBJECT}) ({VERB})\b|cannot tell (that|whether) ({SUBJECT}) ({VERB})\b")
OTHERWISE = re.compile(r"cannot tell which part loses it")
DETAIL = re.compile(r"[\w ]+ -?\d|n=\d|in [\w ]+ on \d|not distinguishable from zero")
"""What may stand behind a colon beside clauses: a measure and its number."""


def is_said(sentence: str) -> bool:
    """Whether every clause has its subject and verb, and the sentence a number and an end."""
    text = re.sub(r"\([^()]*\) ?", "", PREFIX.sub("", sentence))
    head, _, explained = text.partition(": ")
    clauses = [CLAUSE.match(clause) or OTHERWISE.match(clause) for clause in head.split("; ")]
    details = [CLAUSE.match(part) or OTHERWISE.match(part) or DETAIL.match(part) for part in explained.split("; ")[1:]]
    return sentence.endswith(".") and bool(re.search(r"\d", sentence)) and all(clauses) and all(details)


def interval(low: float, value: float, high: float) -> Interval:
    return Interval(low, value, high, 100)


KINDS = {
    "above": interval(0.2, 0.3, 0.4),
    "below": interval(-0.4, -0.3, -0.2),
    "small": interval(-0.02, 0.01, 0.05),
    "open": interval(-0.3, 0.1, 0.5),
}


def difference(kind: str, name: str = "contact", a: str = "mpc", b: str = "bc", **changes: object) -> Difference:
    p = 0.001 if kind in ("above", "below") else 0.5
    rate = interval(0.4, 0.5, 0.6)
    found = Difference(name, a, b, rate, rate, KINDS[kind], p, p, ("toy/push",), 1)
    return replace(found, **changes)


def planning() -> Iterator[str]:
    for kinds in combinations_with_replacement(KINDS, 3):
        for seeds in (1, 3):
            told = [difference(kind, name, seeds=seeds) for kind, name in zip(kinds, "abc", strict=True)]
            yield planning_verdict(told)
            yield planning_verdict([replace(told[0], name="toy/push", b="greedy")], kind="")
            yield return_verdict([replace(d, b=b) for d, b in zip(told, ("random", "noop", "bc"), strict=True)])
            measured = [replace(told[0], measure=SUCCESS.name), replace(told[1], measure=STEPS_TO_SUCCESS.name)]
            yield clone_verdict(measured)
            yield clones_verdict(measured)
    for kind in KINDS:
        yield from robustness_verdicts([difference(kind, a=nudged_name("bc", "position"), b="bc")], 2)
        yield from nudged_clone_verdicts([difference(kind, a=nudged_name("local", "position"), b="bc")], 2)
        yield exploitation_verdict(KINDS[kind], 1)
    yield from starts_verdict(3, 10)
    yield from starts_verdict(1, 10)


def attribution() -> Iterator[str]:
    for whole, planner, cost, model in product(KINDS, repeat=4):
        for shown in (True, False):
            parts = {"planner": planner, "cost": cost, "model": model}
            gaps = {name: KINDS[kind] for name, kind in parts.items()}
            if not shown:
                gaps["planner"] = undefined()
            yield attribution_verdict(made_of(KINDS[whole], gaps), 2)


def made_of(whole: Interval, gaps: dict[str, Interval]) -> Attribution:
    significant = [name for name, gap in gaps.items() if gap.positive]
    return Attribution(
        **gaps, total=whole, model_under_true_cost=undefined(), whole=whole, significant=tuple(significant)
    )


def imagination() -> Iterator[str]:
    for grows, rest, reads in product((0.0001, 0.01, 1.0), (0.001, 1.0), (1.0, 5.0)):
        model = errors(grows * STEPS**1.5)
        shuffled = {name: e * reads for name, e in model.items()}
        others = {"persistence": errors(np.full(H, rest)), "linear": errors(np.full(H, 0.0115)), "shuffled": shuffled}
        found = assess(model, others, episodes_of(), VARIABLES)
        for trainings in (1, 3):
            told = replace(found, trainings=trainings)
            yield imagination_verdict(told, 20)
            yield by_group({"contact": told, "free": told})
            frames = {**told.beats["persistence"], DISSIMILARITY.name: told.useful}
            yield frames_verdict(replace(told, beats={"persistence": frames}))
    for ratio in (interval(1.1, 1.5, 2.0), interval(0.2, 0.5, 0.9), interval(0.5, 1.0, 2.0)):
        yield with_seeds(3, ratio_verdict([ratio]))


def latent() -> Iterator[str]:
    values = [interval(0.96, 0.97, 0.98), interval(0.4, 0.5, 0.6), interval(-0.1, 0.02, 0.1), interval(-0.3, 0.4, 1.2)]
    for ours, bar, gain in product(values, values, KINDS.values()):
        gains = {"ridge": {"random encoder": {"block": gain, "hand": values[2]}}}
        for phases in ({"approach": 10, "contact": 20}, {"solved": 3}):
            found = findings(ours, bar, phases=phases)
            rival = next(iter(found.gains["ridge"]))
            yield from latent_verdicts(replace(found, gains={"ridge": {rival: gains["ridge"]["random encoder"]}}))
            yield from latent_verdicts(replace(found, copied=0.9, gains={"ridge": {rival: {"block": undefined()}}}))


def policies() -> Iterator[str]:
    some = (0.1, 0.3, 0.5, 0.8)
    true = np.arange(40) < 40 * np.array(some)[:, None]
    praised, turned, still = np.ones_like(true), true[::-1], np.zeros_like(true)
    for imagined, trainings in product((true, praised, turned, still, true ^ (np.arange(40) % 5 == 0)), (1, 2)):
        doubt = np.random.default_rng(0).random((trainings, *true.shape)) + (imagined != true) * trainings
        judged = [
            JudgedWorld(name, [*"abcd"], true, np.stack([imagined] * trainings), doubt) for name in (MODEL, *CONTROLS)
        ]
        found = {each.world: each.ranking() for each in judged}
        yield from policies_verdicts(judged, found, from_few(judged[0], 10), trainings)
    alike = [JudgedWorld(MODEL, [*"abcd"], still, praised[None])]
    yield from policies_verdicts(alike, {MODEL: alike[0].ranking()}, None, 1)


def integration() -> Iterator[str]:
    for local, searched, planned in product((0, 30, 33, 90), repeat=3):
        yield joined(bc=30, local=local, subgoal_search=searched, mpc=planned)[0]


@pytest.mark.parametrize("family", [planning, attribution, imagination, latent, policies, integration])
def test_every_verdict_has_subjects_verbs_and_numbers(family):
    told = list(family())
    assert len(told) > 10
    assert not sorted({sentence for sentence in told if sentence and not is_said(sentence)})


@pytest.mark.parametrize(
    "sentence",
    [
        "cannot tell on reach tasks (0.05 [-0.01, 0.12], n=100).",
        "cannot tell on mpc − bc (0.05 [-0.01, 0.12], n=100).",
        "in this training, planning against cloning on hand/reach: success 0.80 against 0.70, better by 0.10; n=100.",
        "cannot tell it is useful: 0 [0, 0] steps: significantly better than persistence to 3 (n=3 episodes).",
        "training raised the R² of tcp by 0.3 [0.2, 0.4]; cannot be told to have changed setpoint (0.01 [0.01, 0.02]).",
        "in this training, useful for 7 [7, 7] steps.",
        "planning beats cloning.",
    ],
)
def test_the_grammar_knows_a_sentence_that_lacks_a_part(sentence):
    assert not is_said(sentence)
