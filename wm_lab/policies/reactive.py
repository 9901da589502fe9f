"""A world model that is a policy too, acting without any planning."""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.policies.beliefs import Beliefs
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import ActsItself


class ReactivePolicy(Policy):
    """Filters as planning does, and executes the first action of every chunk that the model decides on.

    Deciding anew at each step answers disturbances at once, as the cloned policy does.
    """

    def __init__(self, model: ActsItself) -> None:
        self.model = model
        self.observation_keys = model.observation_keys

    def start(self, rows: int) -> None:
        self._beliefs = Beliefs(self.model.eval(), rows)
        self._generators = [torch.Generator() for _ in range(rows)]

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "reactive")
        self._beliefs.begin(row, task)

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        belief = self._beliefs.take_in(moment)
        chunks = self.model.act(belief, [self._generators[row] for row in moment.rows])
        return chunks[:, 0].float().cpu().numpy()
