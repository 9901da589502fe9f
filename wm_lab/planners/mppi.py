"""Model predictive path integral control: the mean of good candidates, weighted by the exponential of their score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.domains import Weight
from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner, PlannerConfig, Score


@dataclass
class MPPIConfig(PlannerConfig):
    """Only the `elites` best candidates have weight; with `elites` equal to `candidates` this is the original MPPI."""

    inverse_temperature: Weight = 3.0
    """weight = exp(inverse_temperature * score), in units of the elites' mean distance to the best score, so that one
    temperature fits every task: 0 averages the elites, a large one takes the best of them."""


class MPPI(Planner):
    """Path integral control (Williams et al. 2017), over elites and several iterations (TD-MPC, Hansen et al. 2022).

    The spread is fitted to the weighted elites too, as in TD-MPC.
    """

    Config = MPPIConfig
    config: MPPIConfig
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
            weights = elite_weights(elites, c.inverse_temperature)  # [B, E]
            mean, std = elites.fit(weights, mean, std, self.std_min)
            proposals = None  # only in the first iteration
        return self.finish(score, mean, std, elites)


def elite_weights(elites: Elites, inverse_temperature: float) -> Tensor:
    """Unnormalised weights [B, E]; the best elite has 1, unusable ones 0."""
    valid = elites.valid
    # Below the best, so that no score is too large for the exponential, in units of the mean distance to it.
    advantage = torch.where(valid, elites.scores - elites.scores[:, :1], 0.0)  # <= 0
    mean = advantage.sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True).clamp_min(1)
    relative = -advantage / mean.clamp_max(-torch.finfo(advantage.dtype).tiny)
    return torch.where(valid, torch.exp(inverse_temperature * relative), 0.0)
