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
    """weight = exp(inverse_temperature * score): 0 averages the elites, a large one takes the best of them."""

    relative: bool = True
    """Measure scores in units of the elites' mean distance to the best one, so that one temperature fits every task."""

    adapt_std: bool = True
    """Fit the spread to the weighted elites as TD-MPC does; False samples with `std_init` in every iteration."""


class MPPI(Planner):
    """Path integral control (Williams et al. 2017), over elites and several iterations (TD-MPC, Hansen et al. 2022)."""

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
        sigma = std
        for noise in self.noise(generators):  # [B, N, K, A]
            knots = self.candidates(mean, sigma, noise, self.injected(elites, proposals))
            scores = self.rate(score, knots)  # [B, N]
            elites = Elites.of(knots, scores, c.elites)
            weights = elite_weights(elites, c.inverse_temperature, c.relative)  # [B, E]
            mean, std = elites.fit(weights, mean, std, c.momentum, c.std_min)
            sigma = std if c.adapt_std else sigma
            proposals = None  # only in the first iteration
        return self.finish(score, mean, sigma, elites, take_best=False)


def elite_weights(elites: Elites, inverse_temperature: float, relative: bool) -> Tensor:
    """Unnormalised weights [B, E]; the best elite has 1, unusable ones 0."""
    valid = elites.valid
    # Relative to the best, so that no score is too large for the exponential.
    advantage = torch.where(valid, elites.scores - elites.scores[:, :1], 0.0)  # <= 0
    if relative:
        mean = advantage.sum(dim=1, keepdim=True) / valid.sum(dim=1, keepdim=True).clamp_min(1)
        advantage = -advantage / mean.clamp_max(-torch.finfo(advantage.dtype).tiny)
    return torch.where(valid, torch.exp(inverse_temperature * advantage), 0.0)
