"""A world model's filtered belief for each of the episodes that are played side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from wm_lab.policy import Moment
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, Windows, WorldModel


class Beliefs:
    """A belief for each of B rows, updated at every step with the action that was really executed."""

    def __init__(self, model: WorldModel, rows: int) -> None:
        self.model, self.rows = model, rows
        self.device = device_of(model)
        self.state: State | None = None  # of all rows, once any has begun
        self.instruction = torch.zeros(rows, dtype=torch.long)  # which instruction each episode follows

    def reset(self, row: int, task: Task) -> None:
        """An episode of this task begins in the row; a model conditioned on instructions is given the task's.

        Raises UserError where the model cannot know that instruction.
        """
        if self.model.instructed:
            self.instruction[row] = self.model.number(task.instruction)

    def update(self, moment: Moment) -> State:
        """Filter one step: the posterior beliefs of the moment's rows."""
        return self.observe(moment)[0]

    def observe(self, moment: Moment) -> tuple[State, Tensor]:
        """As `update`, with the features [R, F] of what was seen."""
        rows = torch.from_numpy(moment.rows)
        windows = one_step({key: moment.observation[key] for key in self.model.observation_keys}, moment)
        windows.instruction = self.instruction[rows][:, None]
        before = None if self.state is None else self.state[rows]
        belief, posterior = self.model.observe(windows.to(self.device), before)
        if self.state is None:
            # Rows that have not begun hold a placeholder, which `first` makes the model discard.
            self.state = belief[torch.zeros(self.rows, dtype=torch.long)]
        self.state = self.state.put(rows, belief)
        return belief, posterior.features[:, 0, -1]


def one_step(observation: Mapping[str, np.ndarray], moment: Moment) -> Windows:
    """One observed step as windows [R, 1]; rewards are not known while acting."""
    zeros = torch.zeros(len(moment.rows), 1)
    return Windows(
        observation={key: torch.as_tensor(value)[:, None] for key, value in observation.items()},
        action=torch.as_tensor(moment.previous_action, dtype=torch.float32)[:, None],
        reward=zeros,
        first=torch.as_tensor(moment.first)[:, None],
        terminal=zeros.bool(),
        valid=~zeros.bool(),
    )
