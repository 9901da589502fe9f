"""A task that is another one in all but what a subclass changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from wm_lab.tasks.overlay import NOTHING, PICTURE_SIZE, Overlay
from wm_lab.tasks.raycast import View
from wm_lab.tasks.task import Expert, Relocation, SimulatedFutures, Task
from wm_lab.tasks.variation import Factors


class DelegatingTask(Task):
    """Asks `task` for everything."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.render_mode = task.render_mode
        self.task_spec = task.task_spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        return self._task.reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        return self._task.step(action)

    @property
    def instruction(self) -> str:
        return self._task.instruction

    def command(self, action: np.ndarray) -> np.ndarray:
        return self._task.command(action)

    def state(self) -> np.ndarray:
        return self._task.state()

    def cost(self, state: Tensor) -> Tensor:
        return self._task.cost(state)

    @property
    def cost_caution(self) -> str:
        return self._task.cost_caution

    @property
    def judges_states(self) -> bool:
        return self._task.judges_states

    def solved(self, states: np.ndarray) -> np.ndarray:
        return self._task.solved(states)

    @property
    def action_groups(self) -> dict[str, tuple[int, ...]]:
        return self._task.action_groups

    @property
    def repeatable(self) -> bool:
        return self._task.repeatable

    @property
    def foresees_chance(self) -> bool:
        return self._task.foresees_chance

    def snapshot(self) -> np.ndarray:
        return self._task.snapshot()

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        return self._task.restore(snapshot)

    def vary(self, factors: Factors) -> dict[str, np.ndarray]:
        return self._task.vary(factors)

    @property
    def has_expert(self) -> bool:
        return self._task.has_expert

    def expert(self) -> Expert:
        return self._task.expert()

    def straight_line(self) -> Expert:
        return self._task.straight_line()

    def goal_state(self, state: Tensor) -> Tensor:
        return self._task.goal_state(state)

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        return self._task.set_goal(state)

    def snapshot_like(self, state: np.ndarray) -> np.ndarray:
        return self._task.snapshot_like(state)

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        return self._task.in_picture(points)

    def relocate(self, states: np.ndarray, random: np.random.Generator) -> Relocation:
        return self._task.relocate(states, random)

    @property
    def renderer(self) -> str:
        return self._task.renderer

    @renderer.setter
    def renderer(self, renderer: str) -> None:
        self._task.renderer = renderer

    def render(
        self, size: tuple[int, int] = PICTURE_SIZE, camera: str | View | None = None, overlay: Overlay = NOTHING
    ) -> np.ndarray:
        return self._task.render(size, camera, overlay)

    def points(self, states: np.ndarray) -> dict[str, np.ndarray]:
        return self._task.points(states)

    def states(self, snapshots: np.ndarray) -> np.ndarray:
        return self._task.states(snapshots)

    def rewards(self, snapshots: np.ndarray) -> np.ndarray:
        return self._task.rewards(snapshots)

    def simulate_batch(
        self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._task.simulate_batch(snapshots, actions, threads)

    def futures(self, snapshots: np.ndarray, actions: np.ndarray, threads: int = 1) -> SimulatedFutures:
        return self._task.futures(snapshots, actions, threads)

    def successors(self, snapshots: np.ndarray, actions: np.ndarray) -> np.ndarray:
        return self._task.successors(snapshots, actions)
