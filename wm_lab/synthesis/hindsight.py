"""Goals in hindsight: what a segment reached is what it was to reach (Andrychowicz et al. 2017, HER)."""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.errors import UserError
from wm_lab.synthesis.segments import Observations
from wm_lab.tasks.task import Task, Variable

STATE, GOAL = "state", "goal"
SAME = 1e-4  # m, between the goal and the variable that `goal_state` puts there


class Hindsight:
    """Knows which variable of the state success brings to which other one; UserError where a task has no such pair."""

    def __init__(self, task: Task) -> None:
        task_spec = task.task_spec
        why = "; choose exercise.generator.kind=recovery"
        if tuple(task_spec.observation) != (STATE,):
            raise UserError(
                f"hindsight changes goals in the state, and {task_spec.name} shows {[*task_spec.observation]}{why}"
            )
        named = {v.name: v for v in task_spec.variables}
        judged = [v for v in task_spec.variables if v.tolerance is not None and v.name != GOAL]
        if GOAL not in named or len(judged) != 1:
            raise UserError(
                f"hindsight needs a task whose success brings one variable to its goal, and that of {task_spec.name} "
                f"is {task_spec.success_test}{why}"
            )
        self.goal, self.moved = named[GOAL], judged[0]
        try:
            there = task.goal_state(torch.from_numpy(task.state()[None]))[0].numpy()
        except LookupError as error:
            raise UserError(f"{error.args[0]}, which hindsight needs to know{why}") from error
        if np.abs(there[self.moved.slice] - there[self.goal.slice]).max() > SAME:
            raise UserError(f"{task_spec.name} is not solved where its {self.moved.name} is at the goal{why}")

    def relabel(self, observation: Observations) -> tuple[Observations, np.ndarray]:
        """The same frames [M, L + 1, D] with the goal at what the last one reached, and which [M] began elsewhere."""
        state = observation[STATE].copy()
        reached = state[:, -1, self.moved.slice]
        nontrivial = np.linalg.norm(state[:, 0, self.moved.slice] - reached, axis=-1) > _tolerance(self.moved)
        state[:, :, self.goal.slice] = reached[:, None]
        return observation | {STATE: state}, nontrivial


def _tolerance(variable: Variable) -> float:
    assert variable.tolerance is not None
    return variable.tolerance
