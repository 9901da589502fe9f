"""Who wins, in one table and one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from wm_lab.evaluation.comparison import Difference, SuccessRow, compare_pairs, success_rows
from wm_lab.evaluation.json_files import plain
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.verdicts import is_significant, with_seeds
from wm_lab.exercises.exercise import Answer
from wm_lab.experiment.arms import ACTOR, ORACLE
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.model_facts import model_facts
from wm_lab.experiment.policy_selection import LOCAL
from wm_lab.experiment.selection_answer import SELECTED
from wm_lab.reports.drawing import Drawing
from wm_lab.reports.plots import success_bars, success_latency
from wm_lab.reports.tables import Table, difference_table, success_table

BC, MPC = "bc", "mpc"
SEARCHED, GENERATED = "subgoal_search", "subgoal_generate"
AUGMENTED, DECODER, DECODER_PLAIN, VIDEO = "augmented", "decoder", "decoder_plain", "video_policy"
ORACLE_SUBGOAL, RETRIEVED, FINAL, SHUFFLED = (
    "subgoal_oracle",
    "subgoal_retrieved",
    "subgoal_final",
    "subgoal_shuffled",
)

MODELLED = (MPC, LOCAL, SELECTED, SEARCHED, AUGMENTED, ACTOR)
"""Arms that need the world model."""

GENERAL = 0
"""Steps that a goal lies ahead for an executor that is told where an episode ends: any."""

WORDS = {
    BC: "the clone of the demonstrations",
    MPC: "planning",
    LOCAL: "local planning",
    SELECTED: "the policy that validation episodes select",
    SEARCHED: "following sub-goals searched for in the model (A)",
    GENERATED: "following generated sub-goals (A)",
    AUGMENTED: "cloning with imagined data too (B)",
    DECODER: "a model inside the policy (C)",
    DECODER_PLAIN: "the same without world-model losses",
    VIDEO: "the video policy",
    ACTOR: "what was learned in dreams alone",
    ORACLE_SUBGOAL: "following the oracle's sub-goals",
    RETRIEVED: "following retrieved sub-goals",
    FINAL: "following the final goal",
    SHUFFLED: "following shuffled sub-goals",
    ORACLE: "planning in the true dynamics",
}
"""How arms are called in a sentence."""

CANDIDATES = (MPC, LOCAL, SELECTED, SEARCHED, GENERATED, AUGMENTED, DECODER, VIDEO, ACTOR)
"""What might be better than a clone, and might be had: not what an oracle knows."""

CONTROLS = (DECODER_PLAIN, ORACLE_SUBGOAL, RETRIEVED, FINAL, SHUFFLED)
"""What says why; asked as questions of their own, so that they cost the answer nothing (Holm)."""

AMONG = [
    (ORACLE_SUBGOAL, SHUFFLED),
    (SEARCHED, RETRIEVED),
    (SEARCHED, SHUFFLED),
    (GENERATED, RETRIEVED),
    (GENERATED, SHUFFLED),
    (RETRIEVED, SHUFFLED),
    (DECODER, DECODER_PLAIN),
    (VIDEO, DECODER),
]
"""Whether sub-goals are looked at, what the proposed ones are worth, and what world-model losses do for a policy."""


def integration_answer(experiment: Experiment, manifest: Manifest, arms: Mapping[str, Sequence[Outcomes]]) -> Answer:
    """`arms[name]` in each training; slow arms have played the first episodes alone."""
    task = experiment.task_spec.name
    rows = success_rows({task: arms})
    rivals = compare_pairs(arms, [(name, BC) for name in CANDIDATES])
    controls = compare_pairs(arms, [*((name, BC) for name in CONTROLS), *AMONG])
    against = {pair.a: pair for pair in (*rivals, *controls) if pair.b == BC}
    told = {"Against the clone": rivals, "What bounds them": controls}
    return Answer(
        verdicts=[integration_verdict(rows, against, task), *executor_verdict(against)],
        numbers={"manifest": manifest.hash, "rows": plain(rows), "differences": plain([*rivals, *controls])},
        tables=[
            arms_table(rows),
            *(difference_table(pairs, title) for title, pairs in told.items() if pairs),
        ],
        figures={"success": Drawing(success_bars, (rows,)), "success_latency": Drawing(success_latency, (rows,))},
        outcomes=arms,
        model=model_facts(experiment) if set(MODELLED) & set(arms) else None,
    )


def arms_table(rows: Sequence[SuccessRow]) -> Table:
    """Who succeeded how often, and below it what every arm is."""
    table = success_table(rows, "World model and policy together")
    meant = "; ".join(f"{row.arm}: {WORDS[row.arm]}" for row in rows)
    ms = "ms/decision, of sub-goals: of a step in which one is asked for. "
    return replace(table, caption=f"{table.caption} {ms if any('subgoal' in row.arm for row in rows) else ''}{meant}.")


def integration_verdict(rows: Sequence[SuccessRow], against: Mapping[str, Difference], task: str) -> str:
    """Which of the ways that may be had is better than the clone, and which is worse."""
    clone = next(row for row in rows if row.arm == BC)
    held = {name: against[name] for name in CANDIDATES if name in against}
    if not held:
        return f"cannot tell what is better than cloning on {task}: nothing else was played."
    said = [f"cloning solves {clone.success.bounds()} of {task}"]
    for does, wanted in (("beats it by", True), ("falls short of it by", False)):
        said += [
            f"{WORDS[name]} {does} {(d.difference if wanted else d.difference.turned()).bounds()}"
            for name, d in held.items()
            if is_significant(d) and d.difference.positive == wanted
        ]
    open_ = [f"{WORDS[name]} ({d.difference.bounds()})" for name, d in held.items() if not is_significant(d)]
    said += [f"cannot tell whether {' or '.join(open_)} is better or worse than cloning"] if open_ else []
    return with_seeds(max(row.seeds for row in rows), f"{'; '.join(said)} (n={clone.success.n}).")


def executor_verdict(against: Mapping[str, Difference]) -> list[str]:
    """What bounds sub-goals, where it is lower than the clone."""
    oracle = against.get(ORACLE_SUBGOAL)
    if oracle is None or not (is_significant(oracle) and oracle.difference.negative):
        return []
    told = (
        f"even told where the expert would be, the executor does worse than cloning ({oracle.difference.bounds()}): "
        "what sub-goals are worth cannot be told before it is better."
    )
    return [with_seeds(oracle.seeds, told)]
