"""What a world model makes of every episode that is played side by side: where it stands, and how good a future is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from wm_lab.errors import UserError
from wm_lab.objectives import Objective
from wm_lab.policies.beliefs import Beliefs, one_step
from wm_lab.policy import Moment
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State, WorldModel


class Foresight:
    """A model, an objective over its imagination, and for each of B rows a belief and a goal."""

    def __init__(self, model: WorldModel, objective: Objective) -> None:
        if objective.goal is not None and tuple(model.observation_keys) != ("state",):
            raise UserError(
                "objective.goal_distance needs a model that observes the state alone, all that is known of a goal; "
                f"this one observes {', '.join(model.observation_keys)}"
            )
        self.model, self.objective = model, objective
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))

    @property
    def observation_keys(self) -> tuple[str, ...]:
        return tuple(self.model.observation_keys)

    def start(self, rows: int) -> None:
        self.model.eval()
        self.beliefs = Beliefs(self.model, rows)
        self.goals: Tensor | None = None  # [B, F] in the model's features
        self._goal_states: list[Callable[[Tensor], Tensor] | None] = [None] * rows

    def reset(self, row: int, task: Task) -> None:
        self.beliefs.begin(row, task)
        self._goal_states[row] = task.goal_state if self.objective.goal is not None else None

    def take_in(self, moment: Moment) -> State:
        """The beliefs of the moment's rows, after it."""
        belief = self.beliefs.take_in(moment)
        if self.objective.goal is not None and moment.first.any():
            self._see_goals(moment)
        return belief

    def imagine(self, rows: np.ndarray, belief: State, actions: Tensor) -> tuple[Imagination, Tensor]:
        """The futures of these rows [R] under actions [R, N, H, A], and their scores [R, N]."""
        imagined = self.model.imagine(belief, actions)
        if self.objective.goal is not None and self.goals is not None:
            self.objective.goal.goal = self.goals[rows]
        return imagined, self.objective(imagined, actions)

    def _see_goals(self, moment: Moment) -> None:
        """Latent features of the goals of episodes that begin now."""
        rows = moment.rows[moment.first]
        states = torch.as_tensor(moment.observation["state"][moment.first])
        goals = [self._goal_state(row)(state) for row, state in zip(rows, states, strict=True)]
        begun = Moment(rows, {}, moment.previous_action[moment.first], moment.first[moment.first])
        _, seen = self.model.observe(one_step({"state": torch.stack(goals).numpy()}, begun).to(self.device))
        features = seen.features[:, 0, 0]
        if self.goals is None:
            self.goals = features.new_zeros(self.beliefs.rows, features.shape[-1])
        self.goals[rows] = features

    def _goal_state(self, row: int) -> Callable[[Tensor], Tensor]:
        found = self._goal_states[row]
        if found is None:
            raise RuntimeError(f"row {row} acts before it was reset")
        return found


class Remembered:
    """A score for planners that counts the steps it imagined and remembers the last futures of them."""

    def __init__(self, foresight: Foresight, rows: np.ndarray, belief: State) -> None:
        self.foresight, self.rows, self.belief = foresight, rows, belief
        self.steps = 0  # for each row
        self._calls: deque[tuple[Tensor, Tensor]] = deque(maxlen=2)  # actions [R, N, H, A], rewards [R, N, H]

    def __call__(self, actions: Tensor) -> Tensor:
        """[R, N, H, A] -> [R, N]"""
        self.steps += actions.shape[1] * actions.shape[2]
        imagined, scores = self.foresight.imagine(self.rows, self.belief, actions)
        self._calls.append((actions, imagined.reward))
        return scores

    def rewards(self, actions: Tensor) -> Tensor:
        """[R, H] imagined for these plans [R, H, A], which were among the candidates of the last two calls."""
        rows = torch.arange(len(actions), device=actions.device)
        found = actions.new_full(actions.shape[:2], torch.nan)
        for tried, rewards in self._calls:  # the last call has the last word
            same = (tried == actions[:, None]).flatten(2).all(dim=2)  # [R, N]
            there = same.any(dim=1)
            found[there] = rewards[rows, same.int().argmax(dim=1)][there].to(found.dtype)
        return found
