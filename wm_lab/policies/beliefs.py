"""What a world model believes of every episode that is played side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from wm_lab.errors import UserError
from wm_lab.policy import Moment
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, Windows, WorldModel


class Beliefs:
    """A belief for each of B rows. It takes in every step, with the action that was really executed."""

    def __init__(self, model: WorldModel, rows: int) -> None:
        self.model, self.rows = model, rows
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.state: State | None = None  # of all rows, once any has begun
        self.told = torch.zeros(rows, dtype=torch.long)  # which instruction each episode follows

    def begin(self, row: int, task: Task) -> None:
        """An episode of this task begins in the row; a model that reads instructions will be told the task's.

        Raises UserError where it has never heard it.
        """
        if self.model.instructed:
            known, wanted = self.model.spec.instructions, task.card.instruction
            if wanted not in known:
                raise UserError(
                    f"the model was never told {wanted!r}, which {task.card.name} asks for, but "
                    f"{', '.join(map(repr, known))}; train it on data that ask for it, or set model.language=false"
                )
            self.told[row] = known.index(wanted)

    def take_in(self, moment: Moment) -> State:
        """The beliefs of the moment's rows, after it."""
        rows = torch.from_numpy(moment.rows)
        windows = one_step({key: moment.observation[key] for key in self.model.observation_keys}, moment)
        windows.instruction = self.told[rows][:, None]
        belief = self.model.encode(windows.to(self.device), None if self.state is None else self.state[rows])
        if self.state is None:
            # Rows that have not begun hold a stand-in, which their first observation makes the model forget.
            self.state = belief[torch.zeros(self.rows, dtype=torch.long)]
        self.state = self.state.put(rows, belief)
        return belief


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
