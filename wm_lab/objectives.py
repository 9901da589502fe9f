"""What makes an imagined future good: small terms, each judging every imagined step, and their weighted sum.

A term maps an Imagination and its actions [B, N, H, A] to values [B, N, H], higher is better. It may say what it reads:
`told`, of what an imagination tells beside features, and `looks_at(H)`, the steps whose features (None: all).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from wm_lab.domains import Weight
from wm_lab.errors import UserError, unknown
from wm_lab.world_model import TOLD, Imagination, State, WorldModel

Term = Callable[[Imagination, Tensor], Tensor]


class Objective:
    """The score of imagined futures: weighted terms at every step, gathered over the horizon.

    score = mean over steps of alive_t * value_t + final_weight * alive_H * value_H (+ terminal value of the last step)

    alive_t is the probability that the episode has not ended before step t: the step that ends it still counts. The
    mean, not the sum, keeps the scale of scores the same for every horizon; the extra weight on the last step
    rewards getting there over being near on the way.
    """

    def __init__(
        self,
        terms: Sequence[tuple[float, Term]],
        final_weight: float = 0.0,
        terminal_value: Callable[[Tensor], Tensor] | None = None,
        mortal: bool = True,
        goal: GoalFeatures | None = None,
    ) -> None:
        """terminal_value: features [B, N, F] of the last step -> what is still to be had from there, [B, N].

        mortal: what comes after a likely end counts less; not where ending would spare a way that is still to go
        goal: where whoever plays puts the goals of the rows that are scored next; None: nobody asks for them
        """
        self.terms = list(terms)
        self.final_weight = final_weight
        self.terminal_value = terminal_value
        self.mortal = mortal
        self.goal = goal
        told = [getattr(term, "told", TOLD) for _, term in self.terms]
        self.told: frozenset[str] = frozenset({"continue_probability"} if mortal else ()).union(*told)
        """What it reads of an imagination beside features; of a term that does not say it, everything."""

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        """Scores [B, N] of futures imagined under actions [B, N, H, A], higher is better."""
        proceed = imagination.continue_probability
        goes_on = proceed.cumprod(dim=-1) if self.mortal else torch.ones_like(proceed)
        alive = torch.cat([torch.ones_like(goes_on[..., :1]), goes_on[..., :-1]], dim=-1)  # [B, N, H]
        values = alive * self.steps(imagination, actions)
        score = gathered(values, self.final_weight)
        if self.terminal_value is not None:
            score = score + goes_on[..., -1] * self.terminal_value(imagination.features[..., -1, :])
        return score

    def looks_at(self, horizon: int) -> frozenset[int] | None:
        """Of so many imagined steps those whose features it reads, 0 the first; None: all of them."""
        read = set() if self.terminal_value is None else {horizon - 1}
        for _, term in self.terms:
            if not hasattr(term, "looks_at") or (steps := term.looks_at(horizon)) is None:
                return None
            read |= steps
        return frozenset(read)

    def foresee(self, model: WorldModel, belief: State, actions: Tensor) -> Imagination:
        """What it scores of action sequences [B, N, H, A] imagined from B beliefs."""
        return model.foresee(belief, actions, self.told, self.looks_at(actions.shape[2]))

    def steps(self, imagination: Imagination, actions: Tensor) -> Tensor:
        """The weighted sum of all terms at every step, [B, N, H]."""
        values = [weight * term(imagination, actions) for weight, term in self.terms]
        return torch.stack(values).sum(dim=0) if values else torch.zeros_like(imagination.reward)


def gathered(values: Tensor, final_weight: float) -> Tensor:
    """The score [...] of values [..., H] of a plan's steps, as far as it lies within the horizon."""
    return values.mean(dim=-1) + final_weight * values[..., -1]


@dataclass
class GoalFeatures:
    """The goals of the episodes that are scored next, as a model's features (`WorldModel.encode_goal`)."""

    features: Tensor | None = None  # [B, F]

    def known(self) -> Tensor:
        """[B, F]; UserError where nobody has set them."""
        if self.features is None:
            raise UserError("a distance to the goal has no goal; set the goal's features before planning")
        return self.features


def model_score(model: WorldModel, objective: Objective, belief: State) -> Callable[[Tensor], Tensor]:
    """A planner's score: action sequences [B, N, H, A], imagined from B beliefs -> scores [B, N]."""

    def score(actions: Tensor) -> Tensor:
        return objective(objective.foresee(model, belief, actions), actions)

    return score


def predicted_reward(imagination: Imagination, actions: Tensor) -> Tensor:
    """The reward that the model expects for arriving at each step."""
    return imagination.reward


def action_cost(imagination: Imagination, actions: Tensor) -> Tensor:
    """Minus the sum of squared actions: smooth and small where nothing else decides."""
    return -actions.square().sum(dim=-1)


def disagreement(imagination: Imagination, actions: Tensor) -> Tensor:
    """Minus the ensemble's disagreement: where the models differ, none of them has seen enough to be believed."""
    return -_uncertainty(imagination, "objective.disagreement")


def exploration(imagination: Imagination, actions: Tensor) -> Tensor:
    """The ensemble's disagreement: where the models differ, there is something to learn."""
    return _uncertainty(imagination, "objective.exploration")


def _uncertainty(imagination: Imagination, option: str) -> Tensor:
    if imagination.uncertainty is None:
        raise UserError(
            f"{option} needs a model that knows its own uncertainty, and this one has no ensemble; "
            f"train it with model.ensemble=5, or set {option}=0"
        )
    return imagination.uncertainty


class TaskCost:
    """Minus the task's own dense cost of the decoded state: the true cost under learned dynamics."""

    told: ClassVar[frozenset[str]] = frozenset()  # of what an imagination tells, it reads features alone

    def __init__(
        self, decode: Callable[[Imagination], dict[str, Tensor]], cost: Callable[[Tensor], Tensor], key: str = "state"
    ) -> None:
        """cost: observations [..., D] -> [...], lower is better."""
        self.decode, self.cost, self.key = decode, cost, key

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        return -self.cost(self.decode(imagination)[self.key])


class GoalDistance:
    """Minus the root mean square distance of what features show (`WorldModel.appearance`) to what the goal's show.

    last: of the last step alone, as DINO-WM and LeWM plan; steps on the way count nothing
    """

    REVISION: ClassVar[int] = 2
    """Raise it with any change of what is near: played episodes of different revisions do not mix."""

    told: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, goal: GoalFeatures, appearance: Callable[[Tensor], Tensor], last: bool = False) -> None:
        self.goal, self.appearance, self.last = goal, appearance, last

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        shown = self.appearance(imagination.features[:, :, -1:] if self.last else imagination.features)
        gap = shown - self.appearance(self.goal.known())[:, None, None]
        distance = gap.square().mean(dim=-1).sqrt()
        return -F.pad(distance, (imagination.features.shape[2] - distance.shape[2], 0))

    def looks_at(self, horizon: int) -> set[int] | None:
        return {horizon - 1} if self.last else None


GOAL_STEPS = ("all", "last")


@dataclass
class ObjectiveConfig:
    """Weights; a term of weight 0 is not computed."""

    reward: Weight = 1.0  # the model's predicted reward
    task_cost: Weight = 0.0  # the task's cost on the decoded state
    goal_distance: Weight = 0.0  # distance to the goal's latent features
    goal_steps: str = "all"  # whose distance to the goal counts: all, or the last alone
    action_cost: Weight = 0.0  # sum of squared actions
    disagreement: Weight = 0.0  # the model's own uncertainty, as a cost
    exploration: Weight = 0.0
    """The same as a reward, in rounds of data and never in a test (Plan2Explore, Sekar et al. 2020)."""
    final_weight: Weight = 2.0  # how much more the last step counts than the mean of all steps

    def __post_init__(self) -> None:
        if not any((self.reward, self.task_cost, self.goal_distance, self.action_cost, self.disagreement)):
            raise UserError("every weight of the objective is 0, so all plans are equal; set objective.reward=1")
        if self.goal_steps not in GOAL_STEPS:
            raise unknown("objective.goal_steps", self.goal_steps, GOAL_STEPS)


def build_objective(
    config: ObjectiveConfig,
    model: WorldModel,
    cost: Callable[[Tensor], Tensor] | None = None,
    terminal_value: Callable[[Tensor], Tensor] | None = None,
) -> Objective:
    """The objective of `config` for plans made with `model`; `cost` is the task's (see `Task.cost`)."""
    terms: list[tuple[float, Any]] = []
    if config.reward:
        terms.append((config.reward, predicted_reward))
    if config.task_cost:
        if cost is None:
            raise UserError("objective.task_cost needs a task with a cost; choose one, or set objective.task_cost=0")
        if "state" not in model.decoded_keys:
            raise UserError(
                f"objective.task_cost needs a model that decodes 'state', and this one decodes "
                f"{', '.join(model.decoded_keys) or 'nothing'}; use a state model, or objective=reward"
            )
        terms.append((config.task_cost, TaskCost(model.decode, cost)))
    goal = GoalFeatures() if config.goal_distance else None
    if goal is not None:
        terms.append((config.goal_distance, GoalDistance(goal, model.appearance, config.goal_steps == "last")))
    if config.action_cost:
        terms.append((config.action_cost, action_cost))
    if config.disagreement:
        terms.append((config.disagreement, disagreement))
    if config.exploration:
        terms.append((config.exploration, exploration))
    return Objective(terms, config.final_weight, terminal_value, goal=goal)
