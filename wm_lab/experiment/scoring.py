"""From played episodes to the outcomes of an arm, and from plans to what they promised and paid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from wm_lab.data.episode import Episode
from wm_lab.data.rollout import PlayConfig, PolicyFactory, TaskFactory, play
from wm_lab.data.workers import Workers
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.policies.mpc import MPC, Decision
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task

LATENCY_STEPS = 10
"""Control steps over which single decisions are timed: four decisions where three steps of each are executed."""


class Audited(Policy):
    """An MPC policy whose every plan is also played out in the true simulator, beside the running episode.

    The simulator never influences the actions; it only says what each chosen plan would have paid: NaN where nobody
    can go back in time.
    """

    def __init__(self, mpc: MPC, task: Task) -> None:
        self.mpc, self.task = mpc, task
        wanted = ["snapshot"] if task.repeatable else []
        self.observation_keys = tuple(dict.fromkeys([*mpc.observation_keys, *wanted]))

    def start(self, rows: int) -> None:
        self.mpc.start(rows)
        self._realised: list[list[float]] = [[] for _ in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        self.mpc.reset(row, task, seed)
        self._realised[row] = []

    def act(self, moment: Moment) -> np.ndarray:
        actions = self.mpc.act(moment)
        for i, row in enumerate(moment.rows):
            decisions = self.mpc.decisions[row]
            if len(decisions) > len(self._realised[row]):
                self._realised[row].append(self._play(moment, i, decisions[-1]) if self.task.repeatable else np.nan)
        return actions

    def report(self, row: int) -> dict[str, np.ndarray]:
        """Per decision [K]: milliseconds (of all rows that were planned together, without the audit), the returns that
        the chosen plan promised and would have paid, and the steps that were imagined to search and to rerank."""
        decisions = self.mpc.decisions[row]
        return {
            "milliseconds": np.array([d.milliseconds for d in decisions]),
            "imagined": np.array([d.imagined_return for d in decisions]),
            "realised": np.array(self._realised[row]),
            "searched": np.array([d.searched for d in decisions]),
            "reranked": np.array([d.reranked for d in decisions]),
        }

    def _play(self, moment: Moment, i: int, decision: Decision) -> float:
        played = self.task.futures(moment.observation["snapshot"][i][None], decision.actions[None, None])
        return float(torch.from_numpy(played.rewards[0]).sum())


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
        imagined=mean("imagined"),
        realised=mean("realised"),
        seed=seed,
    )
