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
    they are scored in `iterations` batches only to bound memory."""


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
        mean, std, previous = self.begin(len(generators), warm_start)
        injected: Tensor | None = self.injected(previous, proposals)
        best = previous._replace(scores=torch.full_like(previous.scores, -torch.inf))  # scores of an earlier step
        for noise in self.noise(generators):  # [B, N, K, A]
            knots = self.candidates(mean, std, noise, injected)
            scores = self.rate(score, knots)  # [B, N]
            pool = torch.cat([best.knots, knots], dim=1), torch.cat([best.scores, scores], dim=1)
            best = Elites.of(*pool, self.config.elites)
            injected = None  # they were scored in the first iteration
        succeeded = best.valid[:, 0, None, None]
        return self.finish(score, torch.where(succeeded, best.knots[:, 0], mean), std, best)
