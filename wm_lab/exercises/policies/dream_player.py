"""Plays episodes in a world model: each begins at a real start, and all that follows is imagined.

After the start a policy sees what the model decodes of its own imagination, and success is the task's own test on that.
In all else an episode is played as in truth: the same groups, seeds, budget and end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from wm_lab.data.episode import Episode
from wm_lab.data.record import SNAPSHOT
from wm_lab.data.rollout import PlayConfig, Player, TaskFactory
from wm_lab.dream import ENDS
from wm_lab.policies.beliefs import Beliefs
from wm_lab.policy import Moment, Policy
from wm_lab.system.device import device_of
from wm_lab.tasks.simulator import SimulatorState
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, WorldModel

DOUBT = "doubt"
"""What an imagined episode reports beside what its policy does."""


class DreamPlayer(Player):
    """Plays one group after another in `model`, which decodes states.

    follows: whether each row's task is put where the model thinks that it is, for a policy that reads the simulator
    """

    def __init__(
        self, task: TaskFactory, policy: Policy, config: PlayConfig, model: WorldModel, follows: bool = False
    ) -> None:
        super().__init__(task, policy, config)
        self._model, self._follows, self._device = model.eval(), follows, device_of(model)

    def __call__(self, seeds: Sequence[int]) -> list[Episode]:
        self._belief: State | None = None
        self._rows: list[int] = []  # whose beliefs these are
        self._doubt: list[list[float]] = [[] for _ in seeds]  # the model's uncertainty at each step, where it has any
        episodes = super().__call__(seeds)
        for episode, doubt in zip(episodes, self._doubt, strict=True):
            episode.report[DOUBT] = np.array(doubt)
        return episodes

    @torch.inference_mode()
    def _step(self, tasks: Sequence[Task], rows: Sequence[int], actions: np.ndarray) -> list[tuple[Any, ...]]:
        belief = self._begin(tasks) if self._belief is None else self._belief
        if list(rows) != self._rows:
            belief = belief[torch.tensor([self._rows.index(row) for row in rows], device=self._device)]
        given = torch.from_numpy(actions[list(rows)]).to(self._device)
        self._belief, imagined = self._model.step(belief, given)
        self._rows = list(rows)
        states = self._model.decode(imagined)["state"][:, 0, 0].float().cpu().numpy()
        success, rewards = tasks[0].solved(states), imagined.reward[:, 0, 0].float().cpu().numpy()
        ended = imagined.continue_probability[:, 0, 0].cpu().numpy() < ENDS
        if imagined.uncertainty is not None:
            for row, doubt in zip(rows, imagined.uncertainty[:, 0, 0].tolist(), strict=True):
                self._doubt[row].append(doubt)
        if self._follows:
            self._put(tasks, rows, states)
        told = [{"success": bool(solved), "contact": False} for solved in success]
        return [
            ({"state": state}, float(reward), bool(end), False, info)
            for state, reward, end, info in zip(states, rewards, ended, told, strict=True)
        ]

    def _begin(self, tasks: Sequence[Task]) -> State:
        """What is believed of the real starts, where the tasks stand."""
        self._rows = list(range(len(tasks)))
        beliefs = Beliefs(self._model, len(tasks))
        for row, task in enumerate(tasks):
            beliefs.reset(row, task)
        observation = {key: np.stack([_read(task, key) for task in tasks]) for key in self._model.observation_keys}
        nothing = np.zeros((len(tasks), tasks[0].task_spec.action_size), np.float32)
        return beliefs.update(Moment(np.arange(len(tasks)), observation, nothing, np.ones(len(tasks), bool)))

    def _put(self, tasks: Sequence[Task], rows: Sequence[int], states: np.ndarray) -> None:
        """The simulator knows where it is to the last digit; of other models their decoded state is all there is."""
        for number, (row, state) in enumerate(zip(rows, states, strict=True)):
            if isinstance(self._belief, SimulatorState):
                tasks[row].restore(self._belief.snapshot[number].cpu().numpy())
            else:
                tasks[row].restore(tasks[row].snapshot_like(state.astype(np.float64)))


def _read(task: Task, key: str) -> np.ndarray:
    return task.snapshot() if key == SNAPSHOT else task.state()
