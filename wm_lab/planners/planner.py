"""The contract of a planner: a pure optimiser of action sequences that knows no model, only a score.

Letters in shapes: `B` environments, `N` candidates, `H` steps, `A` action dimensions, `K` knots, `E` elites.
Planners search over K = ceil(H / action_block) knots, each held for `action_block` steps; scores see all H steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from wm_lab.domains import Amount, Batch, Few, Positive, Spread, Steps
from wm_lab.errors import UserError
from wm_lab.planners.elites import Elites
from wm_lab.planners.plan import Plan, to_knots, to_steps

Score = Callable[[Tensor], Tensor]
"""actions [B, N, H, A] -> scores [B, N], higher is better."""

LEAST_ACTION, MOST_ACTION = -1.0, 1.0
"""What a robot takes, in every dimension; tasks scale it."""


@dataclass
class PlannerConfig:
    """What all searches share. The budget of a plan is `candidates * iterations` imagined sequences, plus one."""

    horizon: Steps = 12  # steps to look ahead
    action_block: Steps = 1  # steps for which a knot is held
    candidates: Batch = 256  # sequences scored in an iteration
    iterations: Few = 5  # of drawing, scoring and refitting, for each plan
    elites: Batch = 32  # best candidates that the next distribution is fitted to
    std_init: list[Positive] = field(default_factory=lambda: [0.6])  # one for all action dimensions, or one each
    std_min: Spread = 0.05  # floor of the spread
    keep_elites: Amount = 4  # elites that compete again in the next iteration, and in the next plan

    def __post_init__(self) -> None:
        if self.elites > self.candidates:
            raise UserError(
                f"planner.elites={self.elites} exceeds planner.candidates={self.candidates}; "
                "lower elites or raise candidates"
            )
        if self.keep_elites > min(self.elites, self.candidates - 1):
            raise UserError(
                f"planner.keep_elites={self.keep_elites} must lie between 0 and planner.elites={self.elites}, "
                f"and below planner.candidates={self.candidates}"
            )


class Planner(ABC):
    """Searches for the action sequence with the highest score, for B environments at once.

    Each environment draws its noise from its own generator, one draw a call, so an episode is planned the same
    whatever plays beside it. The *last* call of `score` rates the search's result alone (N = 1), and the chosen plan is
    that or a candidate of the call before. A caller that records what it imagined in these two calls therefore has the
    imagined rollout of the chosen plan at no extra cost.
    """

    Config: type[PlannerConfig]
    needs_proposals: ClassVar[bool] = False
    """Whether it searches around a proposal, and cannot begin without one."""
    REVISION: ClassVar[int] = 0
    """Raise it with any change of what is found: played episodes of different revisions do not mix."""

    def __init__(self, config: PlannerConfig, action_size: int) -> None:
        if len(config.std_init) not in (1, action_size):
            raise UserError(
                f"planner.std_init has {len(config.std_init)} entries for {action_size} action dimensions; "
                "give one number for all dimensions, or one for each"
            )
        self.config = config
        self.action_size = action_size
        self.knots = -(-config.horizon // config.action_block)
        self.std_init = torch.tensor(list(config.std_init)).expand(action_size).clamp_min(config.std_min)  # [A]
        self.std_min = torch.full((action_size,), float(config.std_min))  # [A]

    @abstractmethod
    def plan(
        self,
        score: Score,
        generators: Sequence[torch.Generator],
        warm_start: Plan | None = None,
        proposals: Tensor | None = None,
    ) -> Plan:
        """Search for B = len(generators) environments.

        score: [B, N, H, A] in [low, high] -> [B, N], higher is better; NaN and both infinities count as worst
        warm_start: the previous plan, already shifted by the steps executed since; None: nothing is known
        proposals: [B, P, H, A] sequences that join the first candidates, clipped to the bounds and averaged over
            action blocks (a search knows only knots); one that is not finite everywhere is left out
        """

    def blank(self, rows: int) -> Plan:
        """The plans of `rows` environments before anything was planned: zero mean, no score, no elites."""
        mean = self.std_init.new_zeros(rows, self.knots, self.action_size)
        elites = mean[:, None].expand(-1, self.config.elites, -1, -1)
        return Plan(
            actions=to_steps(mean, self.config.horizon, self.config.action_block),
            score=mean.new_full((rows,), -torch.inf),
            mean=mean,
            std=torch.full_like(mean, torch.nan),
            elites=elites,
            elite_scores=mean.new_full((rows, self.config.elites), -torch.inf),
            failed=torch.zeros(rows, dtype=torch.bool, device=mean.device),
            block=self.config.action_block,
        )

    def rerank(self, plan: Plan, score: Score) -> Plan:
        """The best of a finished search by another score: one of its elites, or its mean in place of the last elite.

        The score is called once, on these E candidates. Returns the plan with the candidates in their new order as
        elites; the next search starts from the chosen one. A row without any finite score keeps the plan it had.
        """
        valid = (plan.elite_scores > -torch.inf)[..., None, None]
        mean = plan.mean[:, None]
        knots = torch.cat([mean, torch.where(valid, plan.elites, mean)[:, :-1]], dim=1)  # [B, E, K, A]
        scores = self.rate(score, knots)
        order = scores.argsort(dim=1, descending=True, stable=True)
        rows = torch.arange(len(knots), device=knots.device)
        best = knots[rows, order[:, 0]]
        reordered = replace(
            plan,
            actions=to_steps(best, self.config.horizon, self.config.action_block),
            score=scores.amax(dim=1),
            mean=best,
            elites=knots[rows[:, None], order],
            elite_scores=scores.gather(1, order),
        )
        scored = scores.amax(dim=1) > -torch.inf
        return plan.put(scored, reordered[scored])

    def to(self, device: torch.device | str) -> Self:
        """Search on another device; noise is still drawn where the generators live, so it stays the same."""
        self.std_init, self.std_min = self.std_init.to(device), self.std_min.to(device)
        return self

    def narrow(self, share: Tensor) -> Self:
        """Search every action dimension only so far: `share` [A] in [0, 1] of its spread, and of the spread's floor."""
        self.std_init, self.std_min = self.std_init * share, self.std_min * share
        return self

    # The steps that searches are made of, in the order they take them.

    def begin(self, rows: int, warm_start: Plan | None) -> tuple[Tensor, Tensor, Elites]:
        """Mean and std [B, K, A] of the first candidates, and the elites of the previous plan."""
        plan = self.blank(rows) if warm_start is None else warm_start
        mean = plan.mean.clamp(LEAST_ACTION, MOST_ACTION)
        return mean, self.std_init.expand_as(mean), Elites(plan.elites, plan.elite_scores)

    def noise(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Standard normal noise of all iterations, [iterations, B, N, K, A]."""
        config = self.config
        shape = (len(generators), config.iterations, config.candidates, self.knots, self.action_size)
        noise = torch.empty(shape, device=generators[0].device)
        for row, generator in zip(noise, generators, strict=True):
            row.normal_(generator=generator)
        return noise.transpose(0, 1).to(self.std_init.device)

    def injected(self, elites: Elites, proposals: Tensor | None) -> Tensor:
        """Candidates that join the samples, [B, I, K, A]: kept elites, then proposals. NaN marks an empty place."""
        keep = self.config.keep_elites
        injected = elites.knots[:, :keep].masked_fill(~elites.valid[:, :keep, None, None], torch.nan)
        if proposals is None:
            return injected
        if proposals.shape[1] + keep >= self.config.candidates:
            raise UserError(
                f"{proposals.shape[1]} proposals and planner.keep_elites={keep} leave no room for the mean among "
                f"planner.candidates={self.config.candidates}; raise candidates or propose less"
            )
        proposed = to_knots(proposals.to(injected), self.config.action_block)
        non_finite = ~proposed.isfinite().flatten(2).all(dim=2)[:, :, None, None]
        return torch.cat([injected, proposed.masked_fill(non_finite, torch.nan)], dim=1)

    def candidates(self, mean: Tensor, std: Tensor, noise: Tensor, injected: Tensor | None) -> Tensor:
        """Knots to try, [B, N, K, A] within the bounds: the mean, the injected candidates, and samples around the mean.

        Injected candidates replace samples, so every iteration costs N; an empty place leaves the sample there.
        """
        knots = torch.addcmul(mean[:, None], std[:, None], noise)
        knots[:, 0] = mean
        if injected is not None:
            places = knots[:, 1 : 1 + injected.shape[1]]
            places.copy_(torch.where(injected.isnan(), places, injected))
        return knots.clamp_(LEAST_ACTION, MOST_ACTION)

    @torch.no_grad()
    def rate(self, score: Score, knots: Tensor) -> Tensor:
        """Scores [B, N] of knots [B, N, K, A]; a score that is not finite becomes -inf."""
        scores = score(to_steps(knots, self.config.horizon, self.config.action_block))
        if scores.shape != knots.shape[:2]:
            raise ValueError(f"score returned shape {tuple(scores.shape)} for {tuple(knots.shape[:2])} candidates")
        return scores.to(knots.dtype).nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf)

    def finish(self, score: Score, mean: Tensor, std: Tensor, elites: Elites) -> Plan:
        """The plan of a finished search: the mean, rated by a last call of `score`.

        The mean of elites from two sides of an obstacle runs into it. A mean that scores below the worst of its elites
        is such a one: the best elite replaces it, in this plan and as the start of the next search.
        """
        best, best_score = elites.knots[:, 0], elites.scores[:, 0]
        succeeded = best_score > -torch.inf
        mean_score = self.rate(score, mean[:, None])[:, 0]
        worst = elites.scores.masked_fill(~elites.valid, torch.inf).amin(dim=1)  # inf where there are none
        multimodal = succeeded & (mean_score < worst)
        chosen = torch.where(multimodal[:, None, None], best, mean)
        return Plan(
            actions=to_steps(chosen, self.config.horizon, self.config.action_block),
            score=torch.where(multimodal, best_score, mean_score),
            mean=chosen,
            std=std.expand_as(mean),
            elites=elites.knots,
            elite_scores=elites.scores,
            failed=~succeeded,
            block=self.config.action_block,
        )
