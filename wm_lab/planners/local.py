"""Local planning: a small search around a plan that somebody proposes, such as a cloned policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from wm_lab.domains import Amount, Batch, Few, Positive, Steps, Weight
from wm_lab.errors import UserError
from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan, to_knots, to_steps
from wm_lab.planners.planner import LEAST_ACTION, MOST_ACTION, Planner, PlannerConfig, Score


@dataclass
class LocalConfig(PlannerConfig):
    """Few steps ahead, close to the proposal and in one go: where it goes the model knows, and from there the proposal
    policy does."""

    horizon: Steps = 4  # steps to look ahead
    candidates: Batch = 128  # sequences scored in an iteration
    iterations: Few = 1  # of drawing, scoring and refitting, for each plan
    elites: Batch = 16  # best candidates, whose mean is the plan
    std_init: list[Positive] = field(default_factory=lambda: [0.1])
    """One for all action dimensions, or one each; less where the demonstrations moved less."""
    keep_elites: Amount = 0  # elites that compete again in the next iteration, and in the next plan
    margin: Weight = 0.0  # how much more than the proposal a plan must score; one that promises less is not followed


class Local(Planner):
    """The mean of the best of many small changes of the first proposal, which competes itself.

    As LOOP's ARC (Sikchi et al. 2021) and MoDem-V2 (Lancaster et al. 2023) plan: candidates from a policy alone, once.
    Nothing is taken over from the previous plan, unless elites are kept. The plan is the proposal, or scores above it
    by the margin.
    """

    Config = LocalConfig
    config: LocalConfig
    needs_proposals: ClassVar[bool] = True

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        """As `Planner.plan`, around the first proposal alone; where that is not finite, around the warm start."""
        if proposals is None:
            raise UserError(
                "local planning searches around what a clone proposes, and nobody proposes anything here; "
                "plan with a clone's proposals, or choose another planner"
            )
        c = self.config
        mean, std, elites = self.begin(len(generators), warm_start)
        proposed = to_knots(proposals[:, 0].to(mean), c.action_block).clamp(LEAST_ACTION, MOST_ACTION)
        finite = proposed.isfinite().flatten(1).all(dim=1)[:, None, None]
        mean = base = torch.where(finite, proposed, mean)
        for noise in self.noise(generators):  # [B, N, K, A]
            knots = self.candidates(mean, std, noise, self.injected(elites, None))
            knots[:, 0] = base
            scores = self.rate(score, knots)  # [B, N]
            elites = Elites.of(knots, scores, c.elites)
            mean, std = elites.fit(elites.valid.to(mean.dtype), mean, std, self.std_min)
        plan = self.finish(score, mean, std, elites)
        worse = plan.score < scores[:, 0] + c.margin
        unchanged = replace(plan, actions=to_steps(base, c.horizon, c.action_block), score=scores[:, 0], mean=base)
        return plan.put(worse, unchanged[worse])
