"""A world model's own policy head, acting without planning."""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.policies.beliefs import Beliefs
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import ActsItself


class ReactivePolicy(Policy):
    """Filters as MPC does, and executes the first action of the chunk that the model predicts at every step."""

    def __init__(self, model: ActsItself) -> None:
        self.model = model
        self.observation_keys = model.observation_keys

    def start(self, rows: int) -> None:
        self._beliefs = Beliefs(self.model.eval(), rows)
        self._generators = [torch.Generator() for _ in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "reactive")
        self._beliefs.reset(row, task)

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        belief = self._beliefs.update(moment)
        chunks = self.model.act(belief, [self._generators[row] for row in moment.rows])
        return chunks[:, 0].float().cpu().numpy()
