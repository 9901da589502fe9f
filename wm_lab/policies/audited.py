"""Planning under audit: every chosen plan is also played out in the true simulator, which measures its realised return.

The predicted and the realised return of a plan differ by the model's error.
"""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.policies.mpc import MPC, Considered, Decision
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task


class Audited(Policy):
    """An MPC policy whose every plan is also played out in the true simulator, beside the running episode.

    The simulator never influences the actions; it only measures the realised return of each chosen plan: NaN where no
    simulator can go back in time.
    """

    def __init__(self, mpc: MPC, task: Task) -> None:
        self._policy, self._task = mpc, task
        wanted = ["snapshot"] if task.repeatable else []
        self.observation_keys = tuple(dict.fromkeys([*mpc.observation_keys, *wanted]))
        mpc.observers.append(self._audit)

    def start(self, rows: int) -> None:
        self._policy.start(rows)
        self._audits: list[list[tuple[Decision, float]]] = [[] for _ in range(rows)]  # decision, realised return

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._policy.reset(row, task, seed)
        self._audits[row] = []

    def act(self, moment: Moment) -> np.ndarray:
        return self._policy.act(moment)

    def report(self, row: int) -> dict[str, np.ndarray]:
        """Per decision [K]: milliseconds (of all rows that were planned together, without the audit), the predicted and
        the realised return of the chosen plan, the steps that were imagined to search and to rerank, the step of the
        episode, and the plan [K, H, A]."""
        decisions = [decision for decision, _ in self._audits[row]]
        return {
            "milliseconds": np.array([d.milliseconds for d in decisions]),
            "predicted": np.array([d.predicted_return for d in decisions]),
            "realised": np.array([realised for _, realised in self._audits[row]]),
            "searched": np.array([d.searched for d in decisions]),
            "reranked": np.array([d.reranked for d in decisions]),
            "decided": np.array([d.step for d in decisions]),
            "plans": np.array([d.actions for d in decisions]),
        }

    def _audit(self, considered: Considered) -> None:
        realised = np.nan
        if self._task.repeatable:
            snapshot = considered.observation["snapshot"]
            played = self._task.futures(snapshot[None], considered.decision.actions[None, None])
            realised = float(torch.from_numpy(played.rewards[0]).sum())
        self._audits[considered.row].append((considered.decision, realised))
