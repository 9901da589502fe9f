"""Where synthetic segments are played: in a model's imagination, or in the true simulator.

Both depart from recorded steps and advance all M segments together, so a generator is the same code for both.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import replay
from wm_lab.synthesis.segments import Observations, Starts
from wm_lab.system.device import device_of
from wm_lab.tasks.simulator import Simulator, SimulatorConfig, SimulatorState
from wm_lab.tasks.task import Task
from wm_lab.world_model import State, Windows, WorldModel

ROWS = 512
"""Segments imagined at a time: images of thousands at once would not fit into memory."""


class World(Protocol):
    @property
    def model(self) -> WorldModel: ...

    @property
    def belief(self) -> State:
        """Of the M starts, for planning there with `model`."""
        ...

    @property
    def reward(self) -> np.ndarray:
        """[M, steps so far]"""
        ...

    @property
    def uncertainty(self) -> np.ndarray | None:
        """[M, steps so far], where the model has an ensemble."""
        ...

    def depart(self, dataset: Dataset, starts: Starts) -> None:
        """Begin M segments at recorded steps."""
        ...

    def advance(self, actions: np.ndarray) -> Observations:
        """Go on by actions [M, k, A]; the observations {key: [M, k, ...]} arrived at."""
        ...


class ImaginedWorld:
    """A learned model's imagination, from the belief that it has after the real steps up to the start."""

    def __init__(self, model: WorldModel) -> None:
        self.model = model.eval()
        self.device = device_of(model)

    def depart(self, dataset: Dataset, starts: Starts) -> None:
        self.belief = beliefs(self.model, dataset, starts, self.device)
        self._now: list[State] = [self.belief[rows] for rows in torch.split(torch.arange(len(starts)), ROWS)]
        self.reward = np.zeros((len(starts), 0))
        self.uncertainty: np.ndarray | None = None

    def advance(self, actions: np.ndarray) -> Observations:
        parts = torch.split(torch.from_numpy(actions), ROWS)
        now, reward, uncertainty, seen = zip(*map(self._advance, self._now, parts), strict=True)
        self._now = list(now)
        self.reward = np.concatenate([self.reward, np.concatenate(reward)], axis=1)
        if uncertainty[0] is not None:
            newest = np.concatenate(uncertainty)
            before = newest[:, :0] if self.uncertainty is None else self.uncertainty
            self.uncertainty = np.concatenate([before, newest], axis=1)
        return {key: np.concatenate([part[key] for part in seen]) for key in seen[0]}

    @torch.inference_mode()
    def _advance(self, now: State, actions: Tensor) -> tuple[State, np.ndarray, np.ndarray | None, Observations]:
        """Some segments [m] after actions [m, k, A]: their beliefs, rewards and uncertainty [m, k] and what is seen."""
        now, future = self.model.advance(now, actions.to(self.device))
        seen = {key: _recorded(value[:, 0]) for key, value in self.model.decode(future).items()}
        uncertainty = None if future.uncertainty is None else _numbers(future.uncertainty[:, 0])
        return now, _numbers(future.reward[:, 0]), uncertainty, seen


class SimulatedWorld:
    """The true simulator, put back to the recorded step by replaying its episode."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.model = Simulator(SimulatorConfig(), task)

    def depart(self, dataset: Dataset, starts: Starts) -> None:
        self._snapshots = snapshots_at(self.task, dataset, starts)
        self.reward = np.zeros((len(starts), 0))

    @property
    def belief(self) -> SimulatorState:
        return SimulatorState(torch.from_numpy(self._snapshots))

    @property
    def uncertainty(self) -> np.ndarray:
        """None at all: the truth does not disagree with itself."""
        return np.zeros_like(self.reward)

    def advance(self, actions: np.ndarray) -> Observations:
        count, steps = actions.shape[:2]
        seen: list[list[Observations]] = []
        reward = np.zeros((count, steps))
        for m in range(count):
            self.task.restore(self._snapshots[m])
            seen.append([])
            for k in range(steps):
                shown, reward[m, k], *_ = self.task.step(actions[m, k])
                seen[m].append({"state": self.task.state().copy()} | {key: np.array(v) for key, v in shown.items()})
            self._snapshots[m] = self.task.snapshot()
        self.reward = np.concatenate([self.reward, reward], axis=1)
        return {key: np.stack([[step[key] for step in row] for row in seen]) for key in seen[0][0]}


def snapshots_at(task: Task, dataset: Dataset, starts: Starts) -> np.ndarray:
    """The starts in the true simulator, [M, S] float64."""
    snapshots: dict[int, np.ndarray] = {}
    for episode in np.unique(starts.episode):
        rows = np.flatnonzero(starts.episode == episode)
        found = replay(task, dataset.task_spec, dataset.episode(int(episode)), starts.step[rows].tolist())
        for row, snapshot in zip(rows.tolist(), found, strict=True):
            snapshots[row] = snapshot if starts.motion is None else starts.motion[row].snapshot(snapshot)
    return np.stack([snapshots[m] for m in range(len(starts))])


def goals_at(task: Task, dataset: Dataset, starts: Starts) -> Observations:
    """What would be seen with the goal of each start's episode reached, {key: [M, ...]}, "state" among them."""
    shown = []
    for snapshot in snapshots_at(task, dataset, starts):
        task.restore(snapshot)
        shown.append(task.goal_observation())
    return {key: np.stack([goal[key] for goal in shown]) for key in shown[0]}


@torch.inference_mode()
def beliefs(model: WorldModel, dataset: Dataset, starts: Starts, device: torch.device) -> State:
    """What the model believes at each start, having seen its episode up to there: M rows."""
    recorded, row = starts.recorded(dataset)
    belief: State | None = None
    found: State | None = None
    for step in range(int(starts.step.max()) + 1):
        at = [min(step, episode.steps) for episode in recorded]  # a shorter episode has no start any more

        def now(values: list[np.ndarray], at: list[int] = at) -> Tensor:
            return torch.from_numpy(np.stack([v[k] for v, k in zip(values, at, strict=True)]))[:, None].to(device)

        observation = {key: now([e.observation[key] for e in recorded]) for key in model.observation_keys}
        flags = torch.zeros(len(recorded), 1, dtype=torch.bool, device=device)
        windows = Windows(
            observation=observation,
            action=now([e.action for e in recorded]),
            reward=now([e.reward for e in recorded]),
            first=flags | (step == 0),
            terminal=flags,
            valid=~flags,
        )
        belief = model.encode(windows, belief)
        mine = np.flatnonzero(starts.step == step)
        if found is None:
            found = belief[torch.from_numpy(row)]  # the others are overwritten when their step comes
        elif len(mine):
            found = found.put(torch.from_numpy(mine), belief[torch.from_numpy(row[mine])])
    assert found is not None
    return found


def _recorded(decoded: Tensor) -> np.ndarray:
    """Decoded observations [M, k, ...] as a dataset keeps them: images are bytes."""
    values = _numbers(decoded)
    return values.round().clip(0, 255).astype(np.uint8) if values.ndim == 5 else values


def _numbers(values: Tensor) -> np.ndarray:
    return values.float().cpu().numpy()
