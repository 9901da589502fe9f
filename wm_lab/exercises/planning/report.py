"""What the arms of one task say together: who succeeded how often, over whom, and who lost what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wm_lab.evaluation.comparison import (
    Attribution,
    Difference,
    SuccessRow,
    adjust,
    attribute,
    compare,
    compare_by_type,
    compare_returns,
    success_rows,
)
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.evaluation.plain import plain
from wm_lab.evaluation.verdicts import attribution_verdict, exploitation_verdict, planning_verdict, return_verdict
from wm_lab.exercises.exercise import Answer
from wm_lab.exercises.model_facts import model_facts
from wm_lab.exercises.planning.coarse_to_fine import RERANKED
from wm_lab.exercises.planning.practice import ADVISED
from wm_lab.exercises.workbench import Workbench
from wm_lab.reports.plots import success_bars, success_latency
from wm_lab.reports.tables import attribution_table, difference_table, success_table

REWARD, COST = "_reward", "_cost"
"""Suffixes of arms that judge by the learned reward alone, or by the task's cost on decoded states alone."""

ORACLE = "simulator"
"""True dynamics, true cost."""

TRUE_LEARNED = "simulator_reward"
"""True dynamics, judged by the learned reward."""

RIVALS = ("bc", "policy", "greedy", "random", "noop")
"""Whose returns planning is held against where there is no success."""

PAIRS = [
    ("mpc", "bc"),
    (ADVISED, "bc"),
    (ADVISED, "mpc"),
    (RERANKED, "mpc"),
    ("mpc", "policy"),
    ("mpc", "greedy"),
    ("mpc", "mpc_offline"),
    ("mpc", ORACLE),
]
"""Who is held against whom, over the episodes that both have played."""


def planning_answer(bench: Workbench, manifest: Manifest, few: int, arms: dict[str, Outcomes]) -> Answer:
    """Who solved how many episodes; the first `few` were played by the slow arms too."""
    task = bench.card.name
    shared = {name: outcomes for name, outcomes in arms.items() if outcomes.manifest == manifest}
    rows = success_rows({task: arms})
    if not manifest.success_test:
        return _answer_by_returns(manifest.hash, rows, shared, arms, model_facts(bench))
    pairs = paired(arms)
    by_type = compare_by_type({task: shared}, "mpc", "bc")
    rivals = [pair for pair in pairs if pair.b != ORACLE]  # nobody hopes to beat the truth
    verdicts = [planning_verdict(by_type)] if by_type else [planning_verdict([p], kind="") for p in rivals[:1]]
    tables = [success_table(rows), *([difference_table(pairs)] if pairs else [])]
    numbers: dict[str, Any] = {
        "manifest": manifest.hash,
        "rows": plain(rows),
        "differences": plain(pairs),
        "by_type": plain(by_type),
    }
    gaps = _attribute({name: outcomes.first(few) for name, outcomes in arms.items()})
    if gaps is not None:
        verdicts.append(attribution_verdict(gaps))
        tables.append(attribution_table({task: gaps}))
        numbers["attribution"] = plain(gaps)
    verdicts.append(exploitation_verdict(next(row.promised for row in rows if row.arm == "mpc")))
    figures = {"success": success_bars(rows), "success_latency": success_latency(rows)}
    return Answer(verdicts, numbers, tables, figures, arms, model=model_facts(bench))


def paired(arms: Mapping[str, Outcomes]) -> list[Difference]:
    """Those of `PAIRS` that were played; the slow arms play the first of the episodes alone."""
    differences = []
    for a, b in PAIRS:
        if a in arms and b in arms:
            both = min(len(arms[a].manifest), len(arms[b].manifest))
            differences.append(compare(arms[a].first(both), arms[b].first(both), f"{a} − {b}"))
    return adjust(differences)


def _answer_by_returns(
    manifest: str,
    rows: Sequence[SuccessRow],
    shared: Mapping[str, Outcomes],
    arms: dict[str, Outcomes],
    model: dict[str, Any] | None,
) -> Answer:
    """Of a task that nobody can succeed in, for it has rewards alone: what planning earns more than the others."""
    rivals = [name for name in RIVALS if name in shared and "mpc" in shared]  # the slow play fewer episodes
    gaps = {name: compare_returns(shared["mpc"], shared[name]) for name in rivals}
    verdicts = [return_verdict(gaps), exploitation_verdict(next(row.promised for row in rows if row.arm == "mpc"))]
    numbers = {"manifest": manifest, "rows": plain(rows), "differences": [], "by_type": [], "returns": plain(gaps)}
    return Answer(verdicts, numbers, [success_table(rows, "Returns")], {}, arms, model=model)


def _attribute(arms: Mapping[str, Outcomes]) -> Attribution | None:
    """The 2×2, where its arms were played; the configured objective stands in for the cost that it equals."""
    if TRUE_LEARNED not in arms or "expert" not in arms:
        return None
    return attribute(
        expert=arms["expert"],
        true_true=arms[ORACLE],
        true_learned=arms[TRUE_LEARNED],
        learned_true=arms.get("mpc" + COST, arms["mpc"]),
        learned_learned=arms.get("mpc" + REWARD, arms["mpc"]),
    )
