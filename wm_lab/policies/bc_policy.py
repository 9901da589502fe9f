"""A behaviour-cloned policy that acts: observation history in, action chunks out, executed open loop."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wm_lab.policies.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from wm_lab.policies.history import History
from wm_lab.policies.seeding import generator
from wm_lab.policy import Moment, Policy
from wm_lab.system.device import device_of
from wm_lab.tasks.task import Task


class BCPolicy(Policy):
    """Executes `execute` actions of each predicted chunk, or averages the chunks that overlap at the present step.

    The average is ACT's temporal ensembling (Zhao et al. 2023, section IV-A). Executing more than one action leads
    through a demonstrator's pauses: from inside one, a clone cannot see how long it has lasted.
    """

    def __init__(self, net: BehaviourCloning, execution: BehaviourCloningConfig | None = None) -> None:
        """execution: whose `execute` and `temporal_average` count; None: the net's own."""
        self.net = net
        self._execution = execution or net.config
        self.observation_keys = net.observation_keys
        self.device = device_of(net)
        self._history = History(net.observation_keys, net.config.history)

    def start(self, rows: int) -> None:
        self.net.eval()
        self._history.start(rows)
        chunk = self.net.config.chunk
        # [B, k, chunk, A]: what was predicted k steps ago (k = 0 alone where nothing is averaged)
        overlapping = chunk if self._execution.temporal_average else 1
        self._chunks = np.zeros((rows, overlapping, chunk, self.net.spec.action_size), np.float32)
        self._age = np.zeros(rows, int)  # executed actions of the newest chunk
        self._predictions = np.zeros(rows, int)  # chunks predicted in this episode
        self._generators = [torch.Generator() for _ in range(rows)]
        self._told = torch.zeros(rows, dtype=torch.long)  # numbers of the sentences that the episodes are told

    def reset(self, row: int, task: Task, seed: int) -> None:
        self._generators[row] = generator(seed, "bc")
        if self.net.config.language:
            self._told[row] = self.net.number(task.instruction)

    @torch.inference_mode()
    def act(self, moment: Moment) -> np.ndarray:
        rows = moment.rows
        self._history.update(moment)
        self._predictions[rows[moment.first]] = 0
        due = rows[moment.first | (self._age[rows] >= self._execution.execute)]
        if len(due):
            newest = self.net(self._history.stacked(due, self.device), **self._beside(due)).cpu().numpy()
            self._chunks[due] = np.concatenate([newest[:, None], self._chunks[due, :-1]], axis=1)
            self._predictions[due] += 1
            self._age[due] = 0
        actions = self._average(rows) if self._execution.temporal_average else self._chunks[rows, 0, self._age[rows]]
        self._age[rows] += 1
        return actions

    def _beside(self, rows: np.ndarray) -> dict[str, Tensor]:
        """What a policy is given beside observations: each episode's own chance and sentence, where they count."""
        given = {}
        if self.net.actions.draws:
            drawn = [torch.randn(self.net.actions.shape, generator=self._generators[row]) for row in rows]
            given["noise"] = torch.stack(drawn).to(self.device)
        if self.net.config.language:
            given["told"] = self._told[rows].to(self.device)
        return given

    def _average(self, rows: np.ndarray) -> np.ndarray:
        """The weighted mean of all predictions of the present action: the k-th action of the chunk of k steps ago."""
        age = np.arange(self._chunks.shape[1])
        valid = age < self._predictions[rows, None]  # [R, k]
        weights = valid * self._execution.temporal_average**age
        predicted = self._chunks[rows][:, age, age]  # [R, k, A]
        mean: np.ndarray = ((weights[..., None] * predicted).sum(1) / weights.sum(1)[:, None]).astype(np.float32)
        return mean
