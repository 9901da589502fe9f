"""Acting by what one expects to see: the model imagines it without actions, and says which actions lead there."""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import Moment, Policy
from wm_lab.tasks.task import Task
from wm_lab.world_model import ActsByVideo


class VideoPolicy(Policy):
    """Imagines anew at every step: the first action is all that is done (UniPi, Du et al. 2023, arXiv 2302.00111)."""

    def __init__(self, model: ActsByVideo) -> None:
        self.model = model
        self.observation_keys = model.observation_keys

    def start(self, rows: int) -> None:
        self._beliefs = Beliefs(self.model.eval(), rows)

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._beliefs.reset(row, task)

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        belief = self._beliefs.update(moment)
        actions: np.ndarray = self.model.act_by_video(belief, 1)[:, 0].float().cpu().numpy()
        return actions
