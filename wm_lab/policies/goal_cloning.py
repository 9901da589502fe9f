"""A clone that is told where to go: goals are what episodes showed later, so nobody has to demonstrate a task.

Goal-conditioned behaviour cloning with hindsight goals (GCSL, Ghosh et al. 2021): what led to an observation was the
way to it. It is the reactive rival of planning to a goal, learned from the same episodes as the world model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from wm_lab.domains import Batch
from wm_lab.errors import UserError
from wm_lab.policies.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from wm_lab.policy import GOAL
from wm_lab.world_model import DataSpec, Windows


@dataclass
class GoalCloningConfig(BehaviourCloningConfig):
    pairs: Batch = 32  # of a moment and a later one, its goal, in each window


class GoalCloning(BehaviourCloning):
    """Reads a goal beside the last observations; `loss` wants windows that hold whole episodes.

    Numbers that never change within an episode are not looked at: such as the goal that the episode itself had, which
    would tell more of what was done than a later moment does.
    """

    Config = GoalCloningConfig
    config: GoalCloningConfig
    REVISION: ClassVar[int] = 1

    def __init__(self, config: GoalCloningConfig, spec: DataSpec) -> None:
        if config.language:
            raise UserError("a goal-conditioned clone is told a goal and no sentence; set bc.language=false")
        super().__init__(config, spec)
        for key in self.encoder.vectors:
            size = spec.observation[key][0]
            still = ~torch.tensor(spec.changes.get(key, [True] * size), dtype=torch.bool)
            mean = torch.tensor(spec.mean.get(key, [0.0] * size))
            self.register_buffer(f"still_{key}", still, persistent=False)
            self.register_buffer(f"mean_{key}", mean, persistent=False)

    @property
    def observation_keys(self) -> tuple[str, ...]:
        return (*self.spec.observation, *(GOAL + key for key in self.spec.observation))

    @property
    def told_size(self) -> int:
        return self.encoder.size

    def read(self, history: Mapping[str, Tensor], sentence: Tensor | None) -> Tensor:
        """Here history also holds {"goal." + key: [..., history, *shape]}, of which the last one is read."""
        seen = {key: history[key] for key in self.spec.observation}
        goal = {key: history[GOAL + key].select(-len(shape) - 1, -1) for key, shape in self.spec.observation.items()}
        return self._told(seen, goal)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        """Error of the chunks from random moments on, told a later moment; actions after that do not count."""
        c, device = self.config, windows.action.device
        rows, now, later = self._pairs(windows.valid.sum(1))
        lags = torch.arange(1 - c.history, 1, device=device)
        before = (now[:, None] + lags).clamp_min(0)  # [M, history]; the first observation repeats
        seen = {key: value[rows[:, None], before] for key, value in windows.observation.items()}
        goal = self._goals(windows, rows, now, later)
        condition = self._told(seen, goal)  # [M, C]

        ahead = now[:, None] + torch.arange(1, c.chunk + 1, device=device)
        target = windows.action[rows[:, None], ahead.clamp(max=windows.shape[1] - 1)]
        counts = (ahead <= later[:, None])[..., None] & torch.isfinite(target)
        return self.error(condition, target.nan_to_num(), counts.to(target.dtype))

    def _pairs(self, ends: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of windows that hold so many steps [B]: which of them, a moment in it and a later one, [M] each."""
        rows = torch.arange(len(ends), device=ends.device).repeat_interleave(self.config.pairs)
        last = ends[rows] - 1
        draw = torch.rand(2, len(rows), device=ends.device)
        now = (draw[0] * last).long()
        later = torch.minimum(now + 1 + (draw[1] * self._reach(last - now)).long(), last)
        return rows, now, later

    def _goals(self, windows: Windows, rows: Tensor, now: Tensor, later: Tensor) -> dict[str, Tensor]:
        """What is told of moments `later`, {key: [M, *shape]}: what was seen then."""
        return {key: value[rows, later] for key, value in windows.observation.items()}

    def _reach(self, left: Tensor) -> Tensor:
        """How far ahead a goal may lie where an episode has so many steps left."""
        return left

    def _told(self, seen: Mapping[str, Tensor], goal: Mapping[str, Tensor]) -> Tensor:
        """What actions are made of, [..., C]; seen: {key: [..., history, *shape]}, goal: {key: [..., *shape]}."""
        seen, goal = self._without_still(seen), self._without_still(goal)
        return self._condition(self.encoder(seen), self.encoder.points(seen), None, self.encoder(goal))

    def _without_still(self, observation: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Every number that never changes at its mean."""
        shown = dict(observation)
        for key in self.encoder.vectors:
            still, mean = self.get_buffer(f"still_{key}"), self.get_buffer(f"mean_{key}")
            shown[key] = torch.where(still, mean, observation[key])
        return shown
