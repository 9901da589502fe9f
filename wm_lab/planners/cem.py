"""The cross-entropy method: fit a Gaussian to the best candidates, sample again, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, PlannerConfig, Score


@dataclass
class CEMConfig(PlannerConfig):
    """The plan is the elites' mean: the best of many candidates is also the one whose score a learned model overrates
    most."""


class CEM(Planner):
    """Cross-entropy method (Rubinstein 1999; PlaNet, Hafner et al. 2019, Algorithm 2).

    Elites may be kept, from one iteration to the next and from one plan to the next (iCEM, Pinneri et al. 2020).
    """

    Config = CEMConfig
    config: CEMConfig
    REVISION = 1

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        c = self.config
        mean, std, elites = self.begin(len(generators), warm_start)
        for noise in self.noise(generators):  # [B, N, K, A]
            knots = self.candidates(mean, std, noise, self.injected(elites, proposals))
            scores = self.rate(score, knots)  # [B, N]
            elites = Elites.of(knots, scores, c.elites)
            mean, std = elites.fit(elites.valid.to(mean.dtype), mean, std, self.std_min)
            proposals = None  # only in the first iteration
        return self.finish(score, mean, std, elites)
