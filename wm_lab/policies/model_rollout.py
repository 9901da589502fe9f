"""Model rollouts for episodes played side by side: their filtered beliefs, and the scores of imagined futures."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import Tensor

from wm_lab.objectives import Objective
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import GOAL, Moment
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State, WorldModel


class ModelRollout:
    """A model, an objective over its imagination, and for each of B rows a belief and a goal."""

    def __init__(self, model: WorldModel, objective: Objective) -> None:
        self.model, self.objective = model, objective
        self.device = device_of(model)

    @property
    def observation_keys(self) -> tuple[str, ...]:
        goals = () if self.objective.goal is None else self.model.goal_keys
        return (*self.model.observation_keys, *(GOAL + key for key in goals))

    def start(self, rows: int) -> None:
        self.model.eval()
        self.beliefs = Beliefs(self.model, rows)
        self.goals: Tensor | None = None  # [B, F] in the model's features

    def reset(self, row: int, task: Task) -> None:
        self.beliefs.reset(row, task)

    def update(self, moment: Moment) -> State:
        """Filter one step: the posterior beliefs of the moment's rows."""
        belief = self.beliefs.update(moment)
        if self.objective.goal is not None and moment.first.any():
            self._encode_goals(moment)
        return belief

    def imagine(self, rows: np.ndarray, belief: State, actions: Tensor) -> tuple[Imagination, Tensor]:
        """Imagined rollouts of these rows [R] under actions [R, N, H, A], and their scores [R, N]."""
        imagined = self.objective.foresee(self.model, belief, actions)
        if self.objective.goal is not None and self.goals is not None:
            self.objective.goal.features = self.goals[rows]
        return imagined, self.objective(imagined, actions)

    def _encode_goals(self, moment: Moment) -> None:
        """Store the latent features of the goals of episodes that begin now."""
        shown = {key: moment.observation[GOAL + key][moment.first] for key in self.model.goal_keys}
        features = self.model.encode_goal({key: torch.as_tensor(goal).to(self.device) for key, goal in shown.items()})
        if self.goals is None:
            self.goals = features.new_zeros(self.beliefs.rows, features.shape[-1])
        self.goals[moment.rows[moment.first]] = features


class RecordingScore:
    """A score for planners that counts imagined steps and records the rollouts of its last two calls."""

    def __init__(self, rollout: ModelRollout, rows: np.ndarray, belief: State) -> None:
        self.rollout, self.rows, self.belief = rollout, rows, belief
        self.steps = 0  # for each row
        self.asked: list[tuple[Tensor, Tensor]] = []  # all actions [R, N, H, A] and their scores [R, N]
        self._calls: deque[tuple[Tensor, Tensor]] = deque(maxlen=2)  # actions [R, N, H, A], rewards [R, N, H]

    def __call__(self, actions: Tensor) -> Tensor:
        """[R, N, H, A] -> [R, N]"""
        self.steps += actions.shape[1] * actions.shape[2]
        imagined, scores = self.rollout.imagine(self.rows, self.belief, actions)
        self.asked.append((actions.detach(), scores.detach()))
        self._calls.append((actions.detach(), imagined.reward.detach()))
        return scores

    def rewards(self, actions: Tensor) -> Tensor:
        """Imagined rewards [R, H] of plans [R, H, A] that were candidates in one of the last two calls; else NaN.

        Where the search asked for no rewards, the plans are imagined once more.
        """
        if "reward" not in self.rollout.objective.told:
            return self.rollout.model.imagine(self.belief, actions[:, None]).reward[:, 0].detach()
        rows = torch.arange(len(actions), device=actions.device)
        recorded = actions.new_full(actions.shape[:2], torch.nan)
        for candidates, rewards in self._calls:  # a later call overwrites an earlier one
            same = (candidates == actions[:, None]).flatten(2).all(dim=2)  # [R, N]
            matched = same.any(dim=1)
            recorded[matched] = rewards[rows, same.int().argmax(dim=1)][matched].to(recorded.dtype)
        return recorded
