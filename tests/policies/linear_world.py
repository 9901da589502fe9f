"""A linear system with quadratic cost, as a task and as its own perfect world model: its best control is known."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from wm_lab.planners import CEM
from wm_lab.policy import Moment, Policy
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

A = np.array([[1.0, 0.2], [0.0, 1.0]], np.float32)  # a point mass: position, velocity
B = np.array([[0.02], [0.2]], np.float32)
Q = np.diag([1.0, 0.1]).astype(np.float32)
R = 0.1


@dataclass
class PointState(State):
    x: Tensor  # [B, 2] belief
    steps: Tensor  # [B] how many steps were filtered since the last reset
    last_action: Tensor  # [B, 1] what `observe` was told was executed


class LinearModel(WorldModel):
    """Believes what it sees; rewards are minus the true cost of arriving, with the action's cost."""

    def __init__(self, decoded: tuple[str, ...] = ("state",)) -> None:
        super().__init__()
        self.spec = DataSpec(observation={"state": (2,)}, action_size=1)
        self.decoded = decoded
        self.imagined_rows: list[int] = []

    @property
    def decoded_keys(self) -> tuple[str, ...]:
        return self.decoded

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def observe(self, windows: Windows, state: State | None = None) -> tuple[State, Imagination]:
        x = windows.observation["state"]
        first = windows.first[:, -1]
        before = torch.zeros(len(x), dtype=torch.long) if state is None else state.steps
        steps = torch.where(first, torch.zeros_like(before), before) + 1
        posterior = Imagination(x[:, None], x[:, None, :, 0], torch.ones_like(x[:, None, :, 0]))
        return PointState(x[:, -1], steps, windows.action[:, -1]), posterior

    def imagine(self, state: PointState, actions: Tensor) -> Imagination:
        self.imagined_rows.append(len(actions))
        x, seen = state.x[:, None].expand(-1, actions.shape[1], -1), []
        for step in range(actions.shape[2]):
            x = x @ torch.from_numpy(A.T) + actions[:, :, step] @ torch.from_numpy(B.T)
            seen.append(x)
        features = torch.stack(seen, dim=2)
        cost = ((features @ torch.from_numpy(Q)) * features).sum(-1) + R * actions.square().sum(-1)
        return Imagination(features, -cost, torch.ones_like(cost))

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        return {"state": imagination.features}


class WatchedCEM(CEM):
    """Remembers where every search of its first environment started."""

    def plan(self, score, generators, warm_start=None, proposals=None):
        self.starts = [*getattr(self, "starts", ()), warm_start.mean[0].flatten().clone()]
        return super().plan(score, generators, warm_start, proposals)


class LinearTask:
    """Only what policies touch of a task."""

    task_spec = SimpleNamespace(action_size=1)

    def reset(self, seed: int) -> np.ndarray:
        self.x = np.random.default_rng(seed).uniform(-0.3, 0.3, 2).astype(np.float32)
        return self.x

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float]:
        """The next state, and the cost of arriving there by this action."""
        self.x = A @ self.x + B @ action
        return self.x, float(self.x @ Q @ self.x + R * action @ action)


def optimal_cost(x: np.ndarray, horizon: int) -> float:
    """Cost of the best control over `horizon` steps, by the Riccati recursion."""
    p = np.zeros_like(Q)
    for _ in range(horizon):
        s = p + Q
        gain = np.linalg.solve(R + B.T @ s @ B, B.T @ s @ A)
        p = A.T @ s @ (A - B @ gain)
    return float(x @ p @ x)


def play(policy: Policy, seeds: list[int], steps: int, delays: list[int] | None = None) -> tuple[np.ndarray, ...]:
    """Play one episode a seed; row i begins `delays[i]` steps late. Returns actions [R, steps, 1] and costs [R]."""
    delays = delays or [0] * len(seeds)
    tasks, observed, last = [LinearTask() for _ in seeds], {}, np.zeros((len(seeds), 1), np.float32)
    actions, costs = [[] for _ in seeds], np.zeros(len(seeds))
    policy.start(len(seeds))
    for time in range(steps + max(delays)):
        first = np.array([time == delay for delay in delays])
        for row in np.flatnonzero(first):
            observed[row] = tasks[row].reset(seeds[row])
            policy.reset(int(row), tasks[row], seeds[row])
        rows = np.array([r for r, delay in enumerate(delays) if delay <= time < delay + steps])
        if len(rows) == 0:
            continue
        state = np.stack([observed[row] for row in rows])
        chosen = policy.act(Moment(rows, {"state": state}, last[rows], first[rows]))
        for row, action in zip(rows, chosen, strict=True):
            observed[row], cost = tasks[row].step(action)
            costs[row] += cost
            last[row] = action
            actions[row].append(action)
    return np.array(actions), costs


def assert_episodes_do_not_meet(policy: Policy, tolerance: float) -> None:
    """An episode is played the same alone, beside others, and beside others that began earlier."""
    together, _ = play(policy, [5, 6, 7], 8)
    late, _ = play(policy, [5, 6, 7], 8, delays=[0, 2, 5])
    for row, seed in enumerate([5, 6, 7]):
        alone, _ = play(policy, [seed], 8)
        np.testing.assert_allclose(together[row], alone[0], atol=tolerance)
        np.testing.assert_allclose(late[row], alone[0], atol=tolerance)
