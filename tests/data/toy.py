"""A point mass in the plane, its expert and some policies: everything about them is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces
from torch import Tensor

from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Expert, Task, TaskSpec, Variable

SPEED = 0.1  # metres per step at full action


@dataclass
class PointConfig:
    observation: list[str] = field(default_factory=lambda: ["state"])
    episode_steps: int = 20
    tolerance: float = 0.05
    physics: str = "point 1"
    dies_after: int | None = None  # the episode truly ends after so many steps


class PointTask(Task):
    """State: position, goal, step number. An action moves the point by SPEED; success is a distance to the goal."""

    Config = PointConfig

    def __init__(self, config: PointConfig | None = None) -> None:
        self.config = config or PointConfig()
        shapes = {"state": (5,), "pixels": (4, 4, 3)}
        self.task_spec = TaskSpec(
            name="toy/point",
            observation={key: shapes[key] for key in self.config.observation},
            action_size=2,
            episode_steps=self.config.episode_steps,
            control_hz=10.0,
            tags=("reach",),
            instruction="Move the point to the goal.",
            success_test=f"distance<{self.config.tolerance}@1",
            physics=self.config.physics,
            variables=(Variable("position", 0, 2, "m", self.config.tolerance), Variable("goal", 2, 4, "m")),
            settings={"tolerance": self.config.tolerance},
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.position, self.goal, self.count = np.zeros(2), np.zeros(2), 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        generator = np.random.default_rng(seed)
        self.position, self.goal, self.count = generator.uniform(-0.4, 0, 2), generator.uniform(0.2, 0.5, 2), 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.position = self.position + SPEED * np.asarray(action, np.float64)
        self.count += 1
        distance = float(np.linalg.norm(self.position - self.goal))
        info = {"success": distance < self.config.tolerance, "contact": bool(self.position[0] > 0)}
        return (
            self._observe(),
            -distance,
            self.count == self.config.dies_after,
            self.count >= self.task_spec.episode_steps,
            info,
        )

    def state(self) -> np.ndarray:
        return np.array([*self.position, *self.goal, self.count], np.float32)

    def cost(self, state: Tensor) -> Tensor:
        return (state[..., :2] - state[..., 2:4]).norm(dim=-1)

    def snapshot(self) -> np.ndarray:
        return np.array([*self.position, *self.goal, self.count], np.float64)

    def restore(self, snapshot: np.ndarray) -> dict[str, np.ndarray]:
        self.position, self.goal, self.count = snapshot[:2].copy(), snapshot[2:4].copy(), int(snapshot[4])
        return self._observe()

    def expert(self) -> Expert:
        return PointExpert(self)

    def _observe(self) -> dict[str, np.ndarray]:
        offers = {"state": self.state(), "pixels": np.full((4, 4, 3), self.count, np.uint8)}
        return {key: offers[key] for key in self.config.observation}


class PointExpert(Expert):
    def __init__(self, task: PointTask) -> None:
        self.task = task

    def act(self) -> np.ndarray:
        return np.clip((self.task.goal - self.task.position) / SPEED, -1, 1)


class ScriptedPolicy(Policy):
    """Plays the task's own expert in each row."""

    def start(self, rows: int) -> None:
        self.experts: list[Expert | None] = [None] * rows

    def reset(self, row: int, task: Task, seed: int) -> None:
        self.experts[row] = task.expert()

    def act(self, moment: Moment) -> np.ndarray:
        return np.stack([self.experts[row].act() for row in moment.rows]).astype(np.float32)


class ConstantPolicy(Policy):
    """Always the same action, in all dimensions."""

    def __init__(self, value: float = 0.0, size: int = 2) -> None:
        self.value, self.size = value, size

    def act(self, moment: Moment) -> np.ndarray:
        return np.full((len(moment.rows), self.size), self.value, np.float32)
