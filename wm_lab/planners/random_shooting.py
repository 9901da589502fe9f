"""Random shooting: try many sequences once, take the best. The baseline that every other planner must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, PlannerConfig, Score


@dataclass
class RandomShootingConfig(PlannerConfig):
    """`candidates * iterations` sequences are tried, the same budget as the other planners have for the same numbers;
    they come in `iterations` portions only to bound memory."""


class RandomShooting(Planner):
    """Best of many samples around the warm start; the distribution is never refitted."""

    Config = RandomShootingConfig
    config: RandomShootingConfig

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        mean, std, kept = self.begin(len(generators), warm_start)
        guests: Tensor | None = self.guests(kept, proposals)
        best = kept._replace(scores=torch.full_like(kept.scores, -torch.inf))  # their scores are of an older moment
        for noise in self.noise(generators):  # [B, N, K, A]
            knots = self.candidates(mean, std, noise, guests)
            scores = self.rate(score, knots)  # [B, N]
            both = torch.cat([best.knots, knots], dim=1), torch.cat([best.scores, scores], dim=1)
            best = Elites.of(*both, self.config.elites)
            guests = None  # they have been tried
        found = best.usable[:, 0, None, None]
        return self.finish(score, torch.where(found, best.knots[:, 0], mean), std, best, take_best=True)
