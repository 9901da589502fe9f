"""Demonstrations of the point mass, and everything that synthesis needs to know of them; all in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.data.toy import PointTask
from tests.exercises.point_world import PointExperiment, PointWorld, PointWorldConfig, settings
from wm_lab.data.dataset import Dataset
from wm_lab.synthesis.generators import GENERATORS, GeneratorConfig, GeneratorInputs
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.labels import CorrectiveLabels, InverseDynamics, StepScale
from wm_lab.synthesis.relocate import relocated
from wm_lab.synthesis.segments import Segments, Starts, draw_starts
from wm_lab.synthesis.world import ImaginedWorld, World, goals_at

KEEP = 0.5


class GoalTask(PointTask):
    """Says what its goal looks like."""

    def goal_state(self, state: Tensor) -> Tensor:
        there = state.clone()
        there[..., :2] = state[..., 2:4]
        return there

    def relocate(self, states: np.ndarray, random: np.random.Generator) -> QuarterTurn:
        return QuarterTurn(random.uniform(-1, 1, 2))


@dataclass
class QuarterTurn:
    """A quarter turn, then a shift [2] in metres."""

    shift: np.ndarray

    def action(self, action: np.ndarray) -> np.ndarray:
        return np.stack([-action[..., 1], action[..., 0]], axis=-1)

    def state(self, state: np.ndarray) -> np.ndarray:
        moved = state.copy()
        for at in (slice(0, 2), slice(2, 4)):
            moved[..., at] = self.action(state[..., at]) + self.shift
        return moved

    snapshot = state


@dataclass
class PointLab:
    collection: Dataset
    demonstrations: Dataset

    def __post_init__(self) -> None:
        self.step_scale = StepScale(self.collection.spec)
        self.inverse = InverseDynamics.fit(self.collection, self.step_scale)

    @classmethod
    def at(cls, store: Path) -> PointLab:
        data = PointExperiment(settings(store)).data
        return cls(data.dataset(), data.demonstrations(12))

    def starts(self, count: int = 40, seed: int = 0) -> Starts:
        return draw_starts(self.demonstrations, count, np.random.default_rng(seed))

    def corrective(self, starts: Starts, keep: float = KEEP) -> CorrectiveLabels:
        return CorrectiveLabels(self.demonstrations, starts, self.step_scale, self.inverse, keep)

    def imagined(self, **options) -> ImaginedWorld:
        return ImaginedWorld(PointWorld(PointWorldConfig(**options), self.demonstrations.spec))

    def make(
        self, world: World, seed: int = 0, count: int = 40, objective: dict[str, Any] | None = None, **options
    ) -> Segments:
        config = GeneratorConfig(**{"kind": "recovery", "keep": KEEP, **options})
        starts = self.starts(count, seed)
        if config.kind == "relocate":
            starts = relocated(starts, self.demonstrations, GoalTask(), np.random.default_rng(seed))
        world.depart(self.demonstrations, starts)
        tools = self._tools(world, starts, objective or {}) if config.kind == "planner" else {}
        if config.kind == "hindsight":
            tools = {"hindsight": Hindsight(GoalTask())}
        inputs = GeneratorInputs(starts, self.corrective(starts), np.random.default_rng(seed), **tools)
        return GENERATORS[config.kind](world, inputs, config)

    def _tools(self, world: World, starts: Starts, weights: dict[str, Any]) -> dict:
        from wm_lab.objectives import ObjectiveConfig, build_objective
        from wm_lab.planners.cem import CEM, CEMConfig

        planner = CEM(CEMConfig(horizon=6, candidates=48, iterations=4, elites=8), 2)
        objective = build_objective(ObjectiveConfig(**weights), world.model)
        shown = goals_at(GoalTask(), self.demonstrations, starts)
        goals = {key: torch.from_numpy(shown[key]) for key in world.model.goal_keys}
        return {"planner": planner, "objective": objective, "goals": goals}


def positions(segments: Segments) -> np.ndarray:
    """[M, L + 1, 2] metres"""
    return segments.observation["state"][..., :2]
