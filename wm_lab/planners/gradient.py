"""Planning by gradients: several sequences climb the score through the model, within the bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wm_lab.domains import Amount, Batch, Few, Positive
from wm_lab.errors import UserError
from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan, to_steps
from wm_lab.planners.planner import LEAST_ACTION, MOST_ACTION, Planner, PlannerConfig, Score


@dataclass
class GradientConfig(PlannerConfig):
    candidates: Batch = 32  # sequences that climb, each from a start of its own
    iterations: Few = 10  # steps that each of them climbs
    elites: Batch = 8  # best sequences, for the record
    keep_elites: Amount = 0  # of the plan before that climb on, beside its mean
    rate: Positive = 0.1  # of Adam: about how far an action moves in a step


class Gradient(Planner):
    """Projected gradient ascent by Adam, from the warm start, the proposals and noise around them.

    The plan is the best sequence that any of them passed.
    """

    Config = GradientConfig
    config: GradientConfig

    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        c = self.config
        mean, std, elites = self.begin(len(generators), warm_start)
        knots = self.candidates(mean, std, self.noise(generators)[0], self.injected(elites, proposals))
        best = Elites(knots, torch.full(knots.shape[:2], -torch.inf, device=knots.device))  # of every start
        climb = Adam(knots, c.rate)
        for _ in range(c.iterations):
            scores, slope = self.slope(score, knots)
            better = scores > best.scores
            best = Elites(
                torch.where(better[..., None, None], knots, best.knots), torch.where(better, scores, best.scores)
            )
            knots = climb(knots, slope).clamp(LEAST_ACTION, MOST_ACTION)
        elites = Elites.of(*best, c.elites)
        succeeded = elites.valid[:, 0, None, None]
        return self.finish(score, torch.where(succeeded, elites.knots[:, 0], mean), std, elites)

    def slope(self, score: Score, knots: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [B, N] of knots [B, N, K, A], and their gradients; zero where there is none."""
        with torch.enable_grad():
            here = knots.detach().requires_grad_()
            scores = score(to_steps(here, self.config.horizon, self.config.action_block))
            if not scores.requires_grad:
                raise UserError(
                    "planner=gradient climbs through the model, and this score has no gradient, as in the true "
                    "simulator; choose planner=cem, or leave the simulator out: exercise.oracle_episodes=0 "
                    "exercise.attribution=false"
                )
            (slope,) = torch.autograd.grad(scores.sum(), here)
        scores = scores.detach().to(knots.dtype).nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf)
        usable = slope.isfinite() & (scores > -torch.inf)[..., None, None]
        return scores, torch.where(usable, slope, 0.0)


class Adam:
    """Steps uphill (Kingma & Ba 2015), each number at its own pace."""

    KEEP, KEEP_SQUARE, LEAST = 0.9, 0.999, 1e-8

    def __init__(self, like: Tensor, rate: float) -> None:
        self.rate, self.steps = rate, 0
        self.mean, self.square = torch.zeros_like(like), torch.zeros_like(like)

    def __call__(self, place: Tensor, slope: Tensor) -> Tensor:
        self.steps += 1
        self.mean = self.KEEP * self.mean + (1 - self.KEEP) * slope
        self.square = self.KEEP_SQUARE * self.square + (1 - self.KEEP_SQUARE) * slope.square()
        mean = self.mean / (1 - self.KEEP**self.steps)
        square = self.square / (1 - self.KEEP_SQUARE**self.steps)
        return place + self.rate * mean / (square.sqrt() + self.LEAST)
