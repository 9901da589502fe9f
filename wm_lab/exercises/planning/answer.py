"""What the arms of one task say together: who succeeded how often, over whom, and who lost what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wm_lab.evaluation.against_clone import CLONE, PLANNERS, against_clone
from wm_lab.evaluation.comparison import (
    SUCCESS,
    Attribution,
    Difference,
    SuccessRow,
    attribute,
    compare,
    compare_by_type,
    compare_pairs,
    compare_returns,
    success_rows,
)
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Arm, Outcomes
from wm_lab.evaluation.verdicts import (
    attribution_verdict,
    clone_verdict,
    exploitation_verdict,
    planning_verdict,
    privileged_verdict,
    return_verdict,
)
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.planning.coarse_to_fine import RERANKED
from wm_lab.experiment.arms import ACTOR, ORACLE, VALUED
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.model_facts import model_facts
from wm_lab.experiment.policy_selection import LOCAL, LOCAL_VALUED
from wm_lab.experiment.selection_answer import SELECTED
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.plots import success_bars, success_latency
from wm_lab.reports.tables import (
    OF_RETURNS,
    attribution_table,
    clone_table,
    difference_table,
    return_table,
    success_table,
)

REWARD, COST = "_reward", "_cost"
"""Suffixes of arms that judge by the learned reward alone, or by the task's cost on decoded states alone."""

TRUE_LEARNED = "simulator_reward"
"""True dynamics, judged by the learned reward."""


PAIRS = [
    (SELECTED, "mpc"),
    (RERANKED, "mpc"),
    (VALUED, "mpc"),
    (LOCAL_VALUED, LOCAL),
    ("mpc", "policy"),
    ("actor", "mpc"),
    ("actor", "bc"),
    ("mpc_actor", "mpc"),
    ("mpc_actor", "actor"),
    ("mpc", "greedy"),
    ("mpc", "mpc_offline"),
    ("mpc", ORACLE),
]
"""Who else is held against whom, over the episodes that both have played."""

FIGURES = {"success": success_bars, "success_latency": success_latency}

RIVALS = [(arm, floor) for arm in ("mpc", ACTOR) for floor in ("random", "noop")]
"""And of returns: where nobody can succeed, the floors say what a return is worth."""


def planning_answer(experiment: Experiment, manifest: Manifest, arms: dict[str, list[Outcomes]]) -> Answer:
    """Who solved how many episodes, `arms[name]` in each training; slow arms have played the first few of them."""
    task = experiment.task_spec.name
    shared = {name: outcomes for name, outcomes in arms.items() if outcomes[0].manifest == manifest}
    rows = success_rows({task: arms})
    seeds = 0 if is_simulator(experiment.settings) else len(arms["mpc"])  # the truth has learnt nothing
    if not manifest.success_test:
        return _answer_by_returns(experiment, manifest, arms, rows, seeds)
    pairs, clones = compare_pairs(arms, PAIRS), against_clone({task: arms})
    by_type = corrected_as_in(clones, compare_by_type({task: shared}, "mpc", "bc"))
    rivals = [replace(pair, name=task) for pair in beatable(pairs)]
    verdicts = [planning_verdict(by_type)] if by_type else [planning_verdict([pair], kind="") for pair in rivals[:1]]
    verdicts += [clone_verdict([d for d in clones if d.a == arm]) for arm in dict.fromkeys(d.a for d in clones)]
    of_actors = [planning_verdict([pair], kind="") for pair in rivals if pair.a == ACTOR]
    verdicts += [told for told in of_actors if told not in verdicts]
    tables = [success_table(rows), *([clone_table(clones)] if clones else [])]
    tables += [difference_table(pairs)] if pairs else []
    numbers: dict[str, Any] = {
        "manifest": manifest.hash,
        "rows": plain(rows),
        "against_clone": plain(clones),
        "differences": plain(pairs),
        "by_type": plain(by_type),
    }
    gaps = _attribute(arms, compare, experiment.task.judges_states)
    if gaps is not None:
        verdicts.append(attribution_verdict(gaps, seeds))
        tables.append(attribution_table({task: gaps}))
        numbers["attribution"] = plain(gaps)
    verdicts += _about_the_truth(experiment, arms, rows, seeds)
    figures = {name: Drawing(draw, (rows,)) for name, draw in FIGURES.items()}
    return Answer(verdicts, numbers, tables, figures, arms, model=model_facts(experiment))


def corrected_as_in(pairs: Sequence[Difference], by_type: Sequence[Difference]) -> list[Difference]:
    """The differences of one task by its types, with the p that the same arms have in the table of more questions.

    So the sentence claims nothing that its own row of the table does not.
    """
    p_of = {(d.a, d.b): d.p_adjusted for d in pairs if d.measure == SUCCESS.name}
    return [replace(d, p_adjusted=p_of.get((d.a, d.b), d.p_adjusted)) for d in by_type]


def beatable(pairs: Sequence[Difference]) -> list[Difference]:
    """All but those with the true dynamics: nobody hopes to beat the truth."""
    return [pair for pair in pairs if pair.b != ORACLE]


def _answer_by_returns(
    experiment: Experiment,
    manifest: Manifest,
    arms: dict[str, list[Outcomes]],
    rows: Sequence[SuccessRow],
    seeds: int,
) -> Answer:
    """Of a task that nobody can succeed in, for it has rewards alone: what planning, and an actor, earn more."""
    pairs = compare_pairs(arms, [*((planner, CLONE) for planner in PLANNERS), *PAIRS, *RIVALS], compare_returns)
    who = ["mpc", *([ACTOR] if ACTOR in arms else [])]
    verdicts = [return_verdict([pair for pair in beatable(pairs) if pair.a == arm]) for arm in who]
    tables = [return_table(rows), *([difference_table(pairs, method=OF_RETURNS)] if pairs else [])]
    numbers = {"manifest": manifest.hash, "rows": plain(rows), "differences": plain(pairs), "by_type": []}
    gaps = _attribute(arms, compare_returns, experiment.task.judges_states)
    if gaps is not None:
        verdicts.append(attribution_verdict(gaps, seeds))
        tables.append(attribution_table({rows[0].task: gaps}, "Where return is lost"))
        numbers["attribution"] = plain(gaps)
    verdicts += _about_the_truth(experiment, arms, rows, seeds)
    return Answer(verdicts, numbers, tables, {}, arms, model=model_facts(experiment))


def _about_the_truth(
    experiment: Experiment, arms: Mapping[str, Arm], rows: Sequence[SuccessRow], seeds: int
) -> list[str]:
    """What playing plans in the true dynamics shows, as far as it can, and what they know that nobody else does."""
    task = experiment.task
    if not task.repeatable:
        return [f"{task.task_spec.name} does not repeat itself: the realised return of the chosen plans is unknown."]
    told = [exploitation_verdict(next(row.predicted_minus_realised for row in rows if row.arm == "mpc"), seeds)]
    seers = [name for name in (ORACLE, TRUE_LEARNED) if name in arms]
    if is_simulator(experiment.settings):
        seers = ["mpc"]
    if task.foresees_chance and seers:
        told.append(privileged_verdict(task.task_spec.name, seers))
    return told


def _attribute(arms: Mapping[str, Arm], compared: Callable[[Arm, Arm], Difference], judged: bool) -> Attribution | None:
    """The 2×2, where its arms were played.

    The configured objective stands in for the cost that it equals. judged: see `Task.judges_states`
    """
    if TRUE_LEARNED not in arms:
        return None
    return attribute(
        expert=arms.get("expert"),
        true_true=arms[ORACLE],
        true_learned=arms[TRUE_LEARNED],
        learned_true=arms.get("mpc" + COST, arms["mpc"]) if judged else None,
        learned_learned=arms.get("mpc" + REWARD, arms["mpc"]),
        compared=compared,
    )
