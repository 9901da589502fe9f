"""What makes an imagined future good: small terms, each judging every imagined step, and their weighted sum.

A term maps an Imagination and its actions [B, N, H, A] to values [B, N, H], higher is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wm_lab.domains import Weight
from wm_lab.errors import UserError
from wm_lab.world_model import Imagination, State, WorldModel

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
    ) -> None:
        """terminal_value: features [B, N, F] of the last step -> what is still to be had from there, [B, N].

        mortal: what comes after a likely end counts less; not where ending would spare a way that is still to go
        """
        self.terms = list(terms)
        self.final_weight = final_weight
        self.terminal_value = terminal_value
        self.mortal = mortal

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        """Scores [B, N] of futures imagined under actions [B, N, H, A], higher is better."""
        proceed = imagination.continue_probability
        goes_on = proceed.cumprod(dim=-1) if self.mortal else torch.ones_like(proceed)
        alive = torch.cat([torch.ones_like(goes_on[..., :1]), goes_on[..., :-1]], dim=-1)  # [B, N, H]
        values = alive * self.steps(imagination, actions)
        score = values.mean(dim=-1) + self.final_weight * values[..., -1]
        if self.terminal_value is not None:
            score = score + goes_on[..., -1] * self.terminal_value(imagination.features[..., -1, :])
        return score

    def steps(self, imagination: Imagination, actions: Tensor) -> Tensor:
        """The weighted sum of all terms at every step, [B, N, H]."""
        values = [weight * term(imagination, actions) for weight, term in self.terms]
        return torch.stack(values).sum(dim=0) if values else torch.zeros_like(imagination.reward)

    @property
    def goal(self) -> GoalDistance | None:
        """The term that needs to be told each episode's goal, if there is one."""
        return next((term for _, term in self.terms if isinstance(term, GoalDistance)), None)


def model_score(model: WorldModel, objective: Objective, belief: State) -> Callable[[Tensor], Tensor]:
    """A planner's score: action sequences [B, N, H, A], imagined from B beliefs -> scores [B, N]."""
    return lambda actions: objective(model.imagine(belief, actions), actions)


def predicted_reward(imagination: Imagination, actions: Tensor) -> Tensor:
    """The reward that the model expects for arriving at each step."""
    return imagination.reward


def action_cost(imagination: Imagination, actions: Tensor) -> Tensor:
    """Minus the sum of squared actions: smooth and small where nothing else decides."""
    return -actions.square().sum(dim=-1)


def disagreement(imagination: Imagination, actions: Tensor) -> Tensor:
    """Minus the ensemble's disagreement: where the models differ, none of them has seen enough to be believed."""
    if imagination.uncertainty is None:
        raise UserError(
            "objective.disagreement needs a model that knows its own uncertainty, and this one has no ensemble; "
            "train it with model.ensemble=5, or set objective.disagreement=0"
        )
    return -imagination.uncertainty


class TaskCost:
    """Minus the task's own dense cost of the decoded state: the true cost under learned dynamics."""

    def __init__(
        self, decode: Callable[[Imagination], dict[str, Tensor]], cost: Callable[[Tensor], Tensor], key: str = "state"
    ) -> None:
        """cost: observations [..., D] -> [...], lower is better."""
        self.decode, self.cost, self.key = decode, cost, key

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        return -self.cost(self.decode(imagination)[self.key])


class GoalDistance:
    """Minus the root mean square distance of latent features to those of the goal.

    The goal belongs to an episode: whoever plays sets `goal` to the features [B, F] for the rows that are scored next.
    """

    def __init__(self, goal: Tensor | None = None) -> None:
        self.goal = goal

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        if self.goal is None:
            raise UserError("objective.goal_distance has no goal; set the goal's features before planning")
        gap = imagination.features - self.goal[:, None, None, :]
        return -gap.square().mean(dim=-1).sqrt()


@dataclass
class ObjectiveConfig:
    """Weights; a term of weight 0 is not computed."""

    reward: Weight = 1.0  # the model's predicted reward
    task_cost: Weight = 0.0  # the task's cost on the decoded state
    goal_distance: Weight = 0.0  # distance to the goal's latent features
    action_cost: Weight = 0.0  # sum of squared actions
    disagreement: Weight = 0.0  # the model's own uncertainty
    final_weight: Weight = 2.0  # how much more the last step counts than the mean of all steps

    def __post_init__(self) -> None:
        if not any((self.reward, self.task_cost, self.goal_distance, self.action_cost, self.disagreement)):
            raise UserError("every weight of the objective is 0, so all plans are equal; set objective.reward=1")


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
    if config.goal_distance:
        terms.append((config.goal_distance, GoalDistance()))
    if config.action_cost:
        terms.append((config.action_cost, action_cost))
    if config.disagreement:
        terms.append((config.disagreement, disagreement))
    return Objective(terms, config.final_weight, terminal_value)
