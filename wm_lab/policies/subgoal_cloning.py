"""The executor of sub-goals: what was done on the way to what was seen a little later.

Goal-conditioned cloning with hindsight whose goals lie at most `ahead` steps ahead, as those that it will be told. It
does not see the task's own goal, or it could do without the sub-goal; and of a sub-goal it is told no velocity, which
nobody who imagines one gets right and which would make of a place that it passes one that it never reaches (SuSIE,
Black et al. 2023, arXiv 2310.10639, has the same division of labour in images).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from wm_lab.domains import Amount, Share
from wm_lab.policies.goal_cloning import GoalCloning, GoalCloningConfig
from wm_lab.policies.imagined_goals import ImaginedGoals
from wm_lab.world_model import DataSpec, Windows

UNITS = (1.0, 10.0)
"""Ordinary steps in which the gaps to a sub-goal are told: to the last step, and as far as half a second goes."""

CLIP = 3.0
"""Units beyond which a gap tells no more."""


@dataclass
class SubgoalCloningConfig(GoalCloningConfig):
    ahead: Amount = 20  # steps that a goal lies ahead at most; 0: to the end of the episode
    untold: list[Amount] = field(default_factory=list)  # numbers of the state that goals do not tell; filled in
    imagined: Share = 0.0  # of the goals that it learns from, where `imagine_by` says who imagines them; filled in


class SubgoalCloning(GoalCloning):
    """Reads states alone, and the gaps between what is and what shall be."""

    Config = SubgoalCloningConfig
    config: SubgoalCloningConfig
    REVISION: ClassVar[int] = 1
    told: Tensor
    step: Tensor

    def __init__(self, config: SubgoalCloningConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        told = ~self.get_buffer("still_state")
        told[config.untold] = False
        self.register_buffer("told", told, persistent=False)
        self.register_buffer("step", torch.tensor(spec.std_change["state"]), persistent=False)
        self._imagined: ImaginedGoals | None = None

    def imagine_by(self, imagined: ImaginedGoals) -> None:
        """Learn from now on from goals of which a share of `config.imagined` are imagined so."""
        self._imagined = imagined

    @property
    def told_size(self) -> int:
        return self.encoder.size + len(UNITS) * self.spec.observation["state"][0]

    def apart(self, states: Tensor, goals: Tensor) -> Tensor:
        """How far states are from goals, [..., D] each: root mean square of all that is told, in ordinary steps."""
        return self._gaps(states, goals)[..., self.told].square().mean(-1).sqrt()

    def _goals(self, windows: Windows, rows: Tensor, now: Tensor, later: Tensor) -> dict[str, Tensor]:
        goals = super()._goals(windows, rows, now, later)
        if self._imagined is None or not self.training:  # it is judged by what was seen
            return goals
        chosen = torch.rand(len(rows), device=rows.device) < self.config.imagined
        if chosen.any():
            goals["state"][chosen] = self._imagined(windows, rows[chosen], now[chosen], later[chosen])
        return goals

    def _reach(self, left: Tensor) -> Tensor:
        return left.clamp_max(self.config.ahead) if self.config.ahead else left

    def _told(self, seen: Mapping[str, Tensor], goal: Mapping[str, Tensor]) -> Tensor:
        mean = self.get_buffer("mean_state")
        goal = {"state": torch.where(self.told, goal["state"], mean)}
        gaps = self._gaps(seen["state"][..., -1, :], goal["state"])
        near = [(gaps / unit).clamp(-CLIP, CLIP) for unit in UNITS]
        seen = self._without_still(seen)
        return self._condition(self.encoder(seen), self.encoder.points(seen), None, self.encoder(goal), *near)

    def _gaps(self, states: Tensor, goals: Tensor) -> Tensor:
        """In ordinary steps, [..., D]; nothing where goals tell nothing."""
        return torch.where(self.told, (goals - states) / self.step, 0.0)
