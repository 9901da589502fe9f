"""A task whose every episode has factors of its own, drawn from its seed and held out from all training data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.tasks.delegating import DelegatingTask
from wm_lab.tasks.task import SimulatedFutures, Task
from wm_lab.tasks.variation import NONE, TRAIN, Factors, describe, draw

SIZE = len(TRAIN)


def vary(task: Task, kind: str) -> Task:
    """The task under held-out factors of a kind, itself where nothing is to vary; UserError where they cannot show."""
    return task if kind == NONE else VariedTask(task, kind)


class VariedTask(DelegatingTask):
    """Starts, goals, costs and success are those of `task`: an episode begins as without variation.

    A snapshot leads with the factors, so whoever goes back to it, the true simulator above all, goes on in the world
    that the episode runs in. The expert knows nothing of them.
    """

    def __init__(self, task: Task, kind: str) -> None:
        if kind == "visual" and "pixels" not in task.task_spec.observation:
            raise UserError(
                f"evaluation.variation=visual changes pictures, and {task.task_spec.name} shows "
                f"{', '.join(task.task_spec.observation)}; set task.observation=pixels, or evaluation.variation=physics"
            )
        super().__init__(task)
        self._kind = kind
        self.task_spec = replace(task.task_spec, settings=task.task_spec.settings | {"variation": describe(kind)})
        self.reset(seed=0)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        Task.reset(self, seed=seed)
        seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self._task.vary(TRAIN)  # some environments settle before they begin
        _, info = self._task.reset(seed=seed, options=options)
        self._factors = draw(self._kind, seed)
        return self._task.vary(self._factors), info

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        return np.concatenate([self._factors, self._task.snapshot_like(state)])

    def snapshot(self) -> np.ndarray:
        return np.concatenate([self._factors, self._task.snapshot()])

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        self._task.vary(TRAIN)
        self._task.restore(snapshot[SIZE:])
        self._factors = Factors(*snapshot[:SIZE].tolist())
        return self._task.vary(self._factors)

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return self._task.states(snapshots[:, SIZE:])

    def rewards(self, snapshots: np.ndarray) -> np.ndarray:
        return self._task.rewards(snapshots[:, SIZE:])

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        states, success, _ = self.futures(snapshots, actions, threads)
        return states, success

    def futures(self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1) -> SimulatedFutures:
        """One world after another: the futures of an episode share its factors."""
        here, found = self.snapshot(), []
        for snapshot, sequences in zip(snapshots, actions, strict=True):
            self.restore(snapshot)
            found.append(self._task.futures(snapshot[None, SIZE:], sequences[None], threads))
        self.restore(here)
        return SimulatedFutures(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        return Task.vary(self, factors)

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return Task.successors(self, snapshots, actions)
