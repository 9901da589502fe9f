"""From played episodes to the outcomes of an arm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.rollout import PlayConfig, PolicyFactory, TaskFactory, play
from wm_lab.data.workers import Workers
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes

LATENCY_STEPS = 10
"""Control steps over which single decisions are timed: four decisions where three steps of each are executed."""


def decision_milliseconds(task: TaskFactory, policy: PolicyFactory, seed: int, workers: Workers) -> float:
    """Median wall milliseconds of a decision for one robot alone, on one thread: what a control loop would wait.

    Playing many episodes side by side is cheaper for each of them and says nothing about this.
    """
    (episode,) = play(task, policy, [seed], PlayConfig(steps=LATENCY_STEPS, group=1), workers=workers)
    each = episode.report.get("milliseconds", episode.milliseconds)
    return float(np.median(each[1:] if len(each) > 1 else each))  # the first one also warms up


def imagined_steps(task: TaskFactory, policy: PolicyFactory, seed: int, workers: Workers) -> dict[str, int]:
    """Steps that the first decision of an `Audited` policy imagines: those searched, and those reranked."""
    (episode,) = play(task, policy, [seed], PlayConfig(steps=1, group=1), workers=workers)
    return {name: int(episode.report[name][0]) for name in ("searched", "reranked")}


def outcomes_of(
    arm: str, manifest: Manifest, episodes: Sequence[Episode], seed: int, milliseconds: float = np.nan
) -> Outcomes:
    """What one arm achieved in the episodes of its manifest; `milliseconds` of a single decision."""
    first = [np.nan if e.first_success is None else float(e.first_success) for e in episodes]

    def mean(name: str) -> np.ndarray:
        series = [e.report.get(name, np.zeros(0)) for e in episodes]
        return np.array([s.mean() if len(s) else np.nan for s in series])

    return Outcomes(
        arm=arm,
        manifest=manifest,
        success=np.array([e.solved for e in episodes]),
        success_at_end=np.array([e.solved_at_end for e in episodes]),
        steps_to_success=np.array(first),
        episode_return=np.array([e.total_reward for e in episodes]),
        decision_ms=np.full(len(episodes), milliseconds),
        predicted=mean("predicted"),
        realised=mean("realised"),
        seed=seed,
    )
