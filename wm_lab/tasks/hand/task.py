"""`task=hand/...`: a free-flying parallel gripper over a table, with five goals from short reaches to stacking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from torch import Tensor

from wm_lab.errors import unknown
from wm_lab.tasks.hand.costs import COSTS, goal_state, reached_goal
from wm_lab.tasks.hand.experts import EXPERTS, HandExpert
from wm_lab.tasks.hand.goals import GOALS, check_difficulty, draw_start, solved
from wm_lab.tasks.hand.gripper import OBSERVATIONS, GripperConfig, GripperTask, shapes_of
from wm_lab.tasks.hand.physics import ACTIONS, FlatGoalPhysics, HandPhysics
from wm_lab.tasks.hand.relocation import HandRelocation
from wm_lab.tasks.hand.scene import CONTROL_HZ, GOAL_RADIUS, LOOK_REVISION, SCENE_REVISION, scene_xml
from wm_lab.tasks.hand.state import Layout
from wm_lab.tasks.raycast import Marker
from wm_lab.tasks.task import TaskSpec, defining_options

SUCCESS_REVISION = 1  # of the success tests: results of different revisions do not compare


@dataclass
class HandConfig(GripperConfig):
    """Options of a hand task. None keeps the goal's own value."""

    goal: str = "reach"
    """reach, push, place, insert or stack."""

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            raise unknown("task.goal", self.goal, GOALS)
        self.require_observation(list(OBSERVATIONS))
        goal = GOALS[self.goal]
        check_difficulty(goal, goal.tolerance if self.tolerance is None else self.tolerance, self.goal_distance)


class HandTask(GripperTask):
    """One goal of the hand family: a point, which is shown as a ball."""

    Config = HandConfig
    layout: Layout

    def __init__(self, config: HandConfig) -> None:
        self.config = config
        self._goal = goal = GOALS[config.goal]
        self._tolerance = goal.tolerance if config.tolerance is None else config.tolerance
        self._cost = COSTS[goal.name]
        self.task_spec = self._describe()
        touched = {f"block{index}" for index in range(goal.blocks)} or {"table"}
        physics = FlatGoalPhysics if goal.name in ("insert", "stack") else HandPhysics
        scene = physics(scene_xml(goal.blocks, peg=goal.name == "insert"), touched)
        super().__init__(config, goal.layout, scene, np.zeros(3), OBSERVATIONS[config.observation])

    def _begin(self, random: np.random.Generator) -> None:
        start = draw_start(self._goal, self.config.goal_distance, random)
        self._physics.begin(start)
        self._goal_numbers[:] = start.goal

    def _met(self, x: Sequence[Any] | np.ndarray) -> Any:
        return solved(self._goal, self._tolerance, x)

    def _worth_now(self) -> float:
        return float(self._cost(self.numbers))

    def cost(self, state: Tensor) -> Tensor:
        cost: Tensor = self._cost(state.unbind(-1))
        return cost

    def goal_state(self, state: Tensor) -> Tensor:
        return goal_state(self._goal.name, state)

    def set_goal(self, state: np.ndarray) -> dict[str, np.ndarray]:
        snapshot = self.snapshot()
        goal = snapshot[-self._held : -1]
        goal[:] = reached_goal(self._goal.name, state)
        self._physics.with_goal(snapshot[: -self._held], goal)
        return self.restore(snapshot)

    def relocate(self, states: np.ndarray, random: np.random.Generator) -> HandRelocation:
        return HandRelocation.draw(self.layout, self._physics, states, random)

    def expert(self) -> HandExpert:
        return EXPERTS[self._goal.name](self)

    def _markers(self) -> list[Marker]:
        """The goal, where it is no hole."""
        if self._goal.name == "insert":
            return []
        return [Marker(tuple(self._physics.data.mocap_pos[0].tolist()), GOAL_RADIUS)]

    def _describe(self) -> TaskSpec:
        goal, config, keys = self._goal, self.config, OBSERVATIONS[self.config.observation]
        steps = goal.episode_steps if config.episode_steps is None else config.episode_steps
        shapes = shapes_of(goal.layout.size, config.image_size)
        look = f", look {LOOK_REVISION}" if "pixels" in keys else ""
        return TaskSpec(
            name=f"hand/{goal.name}",
            observation={key: shapes[key] for key in keys},
            action_size=ACTIONS,
            episode_steps=steps,
            control_hz=CONTROL_HZ,
            tags=goal.tags,
            instruction=goal.instruction,
            success_test=f"{goal.measure}<{self._tolerance:g}@{SUCCESS_REVISION}",
            physics=f"mujoco {mujoco.__version__}, hand scene {SCENE_REVISION}{look}",
            variables=goal.layout.variables(dict.fromkeys(goal.toleranced, self._tolerance)),
            settings=defining_options(config) | {"tolerance": self._tolerance, "episode_steps": steps},
        )
