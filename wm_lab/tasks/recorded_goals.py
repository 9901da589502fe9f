"""A task whose episodes begin where recorded ones once were, and whose goals are what these showed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.tasks.delegating import DelegatingTask
from wm_lab.tasks.task import Task

GOAL_KEY = "goal."
FILE = "starts.npz"


@dataclass(frozen=True)
class RecordedStarts:
    """E starts, each with a goal. A snapshot holds the goal already; what is seen of the goal was recorded."""

    seed: np.ndarray  # [E] int, by which a start is asked for
    snapshot: np.ndarray  # [E, S] float64
    goal: dict[str, np.ndarray]  # {key: [E, ...]}, with "state" always among them

    def save(self, folder: Path) -> None:
        goals = {GOAL_KEY + key: value for key, value in self.goal.items()}
        np.savez(folder / FILE, seed=self.seed, snapshot=self.snapshot, **goals)  # type: ignore[arg-type]

    @classmethod
    def load(cls, folder: Path) -> RecordedStarts:
        with np.load(folder / FILE) as file:
            goals = {name.removeprefix(GOAL_KEY): file[name] for name in file.files if name.startswith(GOAL_KEY)}
            return cls(file["seed"], file["snapshot"], goals)


class RecordedGoalsTask(DelegatingTask):
    """`reset(seed)` begins the start of that seed. Success is the task's own test, of the recorded goal.

    described: what the specification says of where the starts are from, and with it the hash of a manifest
    """

    def __init__(self, task: Task, starts: RecordedStarts, described: dict[str, Any]) -> None:
        super().__init__(task)
        for key, shape in task.task_spec.observation.items():
            found = starts.goal[key].shape[1:] if key in starts.goal else None
            if found != tuple(shape):
                raise UserError(
                    f"{task.task_spec.name} shows {key} of shape {list(shape)}, and the recorded goals have "
                    f"{'none' if found is None else list(found)}; use goals that were recorded with the same "
                    "task.observation and task.image_size"
                )
        self.task_spec = replace(task.task_spec, settings=task.task_spec.settings | {"goals": described})
        self.observation_space, self.action_space = task.observation_space, task.action_space
        self._starts = starts
        self._row = {int(seed): row for row, seed in enumerate(starts.seed)}
        self._at, self._steps = 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        if seed not in self._row:
            raise UserError(f"{self.task_spec.name} has {len(self._row)} recorded starts, and none with seed {seed}")
        self._at, self._steps = self._row[seed], 0
        self._task.reset(seed=seed)
        seen = self._task.restore(self._starts.snapshot[self._at])
        return seen, {"success": False, "contact": False}

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """The recorded episode's own limit of steps does not count, which was partly used up."""
        seen, reward, terminated, _, info = self._task.step(action)
        self._steps += 1
        return seen, reward, terminated, self._steps >= self.task_spec.episode_steps, info

    def goal_observation(self) -> dict[str, np.ndarray]:
        return {key: value[self._at] for key, value in self._starts.goal.items()}
