"""Sub-goals that are imagined: drawn from what demonstrations do next, or searched for in a world model.

    generated   many draws of p(z_{t+k} | z_t), of which the one is taken from where least is left
    searched    a search over the actions of n times k steps; what the best of them shows at step k is the sub-goal

What is left is told by `SubgoalHead`, in steps; doubt and strangeness are counted in steps, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wm_lab.domains import Batch, Few, Share, Weight
from wm_lab.objectives import Objective
from wm_lab.planners.plan import Plan
from wm_lab.planners.planner import Planner
from wm_lab.policies.model_rollout import ModelRollout
from wm_lab.policies.seeding import generator
from wm_lab.policies.subgoal_head import SubgoalHead
from wm_lab.policies.subgoals import Subgoals
from wm_lab.policy import Moment
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import Imagination, State, WorldModel


@dataclass
class ImaginedConfig:
    """How imagined sub-goals are chosen from."""

    candidates: Batch = 32  # draws to choose from, of generated sub-goals
    temperature: Share = 0.5  # times the noise of a draw; 0: always what is most usual
    ahead: Few = 2  # n: times as far as a sub-goal lies, that a search looks ahead
    doubt: Weight = 1.0  # what one step of the ensemble's deviation costs, in steps
    strange: Weight = 20.0  # what a deviation from all that was demonstrated costs, in steps
    disagreement: Weight = 1.0  # what the world model's own doubt costs in a search, in steps


def worth(head: SubgoalHead, config: ImaginedConfig, states: Tensor) -> Tensor:
    """Minus the steps that are left from states [R, M, D], and what is held against believing it: [R, M]."""
    left, doubt = head.left(states)
    return -(left + config.doubt * doubt + config.strange * head.strange(states))


class GeneratedSubgoals(Subgoals):
    """The best of several draws. It needs no world model."""

    def __init__(self, head: SubgoalHead, config: ImaginedConfig) -> None:
        self.head, self.config = head.eval(), config

    def start(self, rows: int) -> None:
        self._generators = [torch.Generator() for _ in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "generated sub-goals")

    @torch.inference_mode()
    def propose(self, moment: Moment) -> np.ndarray:
        shape = self.config.candidates, len(self.head.told)
        noise = torch.stack([torch.randn(shape, generator=self._generators[row]) for row in moment.rows])
        device = device_of(self.head)
        noise = self.config.temperature * noise.to(device)
        drawn = self.head.draw(torch.from_numpy(moment.observation["state"]).to(device), noise)
        best = worth(self.head, self.config, drawn).argmax(1)
        goals: np.ndarray = drawn[torch.arange(len(drawn), device=device), best].cpu().numpy()
        return goals


class SearchedSubgoals(Subgoals):
    """What the best plan shows on its way."""

    def __init__(
        self, model: WorldModel, planner: Planner, head: SubgoalHead, config: ImaginedConfig, steps: int
    ) -> None:
        """planner: whose horizon is `config.ahead` times as long as the `steps` that a sub-goal lies ahead"""
        self.head, self.config, self.steps = head.eval(), config, steps
        self.rollout = ModelRollout(model, Objective([], terminal_value=self._worth, mortal=False))
        self.planner = planner.to(self.rollout.device)
        self.observation_keys = self.rollout.observation_keys

    def start(self, rows: int) -> None:
        self.rollout.start(rows)
        self._generators = [torch.Generator() for _ in range(rows)]
        self._belief: State | None = None  # of the rows of the last moment
        self._rows = np.zeros(0, int)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self.rollout.reset(row, task)
        self._generators[row] = generator(seed, "searched sub-goals")

    @torch.no_grad()
    def observe(self, moment: Moment) -> None:
        self._belief, self._rows = self.rollout.update(moment), moment.rows

    @torch.no_grad()
    def propose(self, moment: Moment) -> np.ndarray:
        assert self._belief is not None
        belief = self._belief[torch.from_numpy(np.isin(self._rows, moment.rows))]
        plan = self._search(belief, [self._generators[row] for row in moment.rows])
        imagined = self.rollout.model.imagine(belief, plan.actions[:, None, : self.steps])
        goals: np.ndarray = self._decoded(imagined.features[:, 0, -1:])[:, 0].cpu().numpy()
        return goals

    def _search(self, belief: State, generators: Sequence[torch.Generator]) -> Plan:
        weight, rollout = self.config.disagreement, self.rollout

        def score(actions: Tensor) -> Tensor:
            imagined = rollout.model.imagine(belief, actions)
            scores = rollout.objective(imagined, actions)
            if weight and imagined.uncertainty is not None:
                scores = scores - weight * imagined.uncertainty.sum(-1)
            return scores

        return self.planner.plan(score, generators)

    def _worth(self, features: Tensor) -> Tensor:
        """Of the last imagined step, [B, N, F] -> [B, N]."""
        return worth(self.head, self.config, self._decoded(features))

    def _decoded(self, features: Tensor) -> Tensor:
        """States [B, N, D] that features [B, N, F] show."""
        blank = features[:, :, None, 0]
        return self.rollout.model.decode(Imagination(features[:, :, None], blank, blank))["state"][:, :, 0].float()
