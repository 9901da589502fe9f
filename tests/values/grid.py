"""Random walks on a grid of two rooms with a door, as a dataset, and the exact ways in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra
from torch import Tensor

from tests.data.toy import PointTask
from wm_lab.data.episode import Episode
from wm_lab.world_model import DataSpec, Windows

SIZE, WALL, DOOR = 7, 3, 0  # a wall in the column 3, open at its end
MOVES = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])


class GridTask(PointTask):
    """State: cell (two numbers), goal (two numbers), step number."""

    def goal_state(self, state: Tensor) -> Tensor:
        there = state.clone()
        there[..., :2] = state[..., 2:4]
        return there


@dataclass
class Walks:
    """What values ask of a dataset."""

    states: np.ndarray  # [E, T, 5] float32
    table: Any = field(init=False)

    def __post_init__(self) -> None:
        count, steps = self.states.shape[:2]
        self.table = type("Table", (), {"length": np.full(count, steps - 1)})

    def episodes(self, split: str) -> np.ndarray:
        return np.arange(len(self.states))

    def episode(self, index: int) -> Episode:
        return type("Walk", (), {"observation": {"state": self.states[index]}})  # type: ignore[return-value]


def free(cell: np.ndarray) -> bool:
    inside = bool(((cell >= 0) & (cell < SIZE)).all())
    return inside and not (cell[0] == WALL and cell[1] != DOOR)


def walks(episodes: int = 120, steps: int = 60, seed: int = 0) -> Walks:
    """Each heads a while in one direction, then in another."""
    random = np.random.default_rng(seed)
    states = np.zeros((episodes, steps, 5), np.float32)
    for e in range(episodes):
        cell = random.integers(SIZE, size=2)
        while not free(cell):
            cell = random.integers(SIZE, size=2)
        move = MOVES[random.integers(4)]
        for t in range(steps):
            states[e, t, :2] = cell + 0.5
            if random.random() < 0.4 or not free(cell + move):
                move = MOVES[random.integers(4)]
            cell = cell + move if free(cell + move) else cell
    return Walks(states)


def cells() -> np.ndarray:
    """[C, 2] that are free."""
    return np.array([(i, j) for i in range(SIZE) for j in range(SIZE) if free(np.array([i, j]))])


def true_ways() -> np.ndarray:
    """[C, C] steps between free cells."""
    known = cells()
    near = np.abs(known[:, None] - known).sum(-1) == 1
    ways: np.ndarray = dijkstra(coo_matrix(near.astype(float)).tocsr())
    return ways


def pairs(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Ways between all free cells by a value and in truth."""
    known = cells()
    a, b = (index.ravel() for index in np.indices((len(known), len(known))))
    states = torch.zeros(len(a), 5)
    states[:, :2] = torch.from_numpy(known[a] + 0.5)
    goals = torch.from_numpy(known[b] + 0.5).float()
    with torch.no_grad():
        return found.way(states, goals).numpy(), true_ways()[a, b]


def spec(data: Walks) -> DataSpec:
    flat = data.states.reshape(-1, 5)
    std = np.maximum(flat.std(0), 0.1).tolist()
    moves = [True, True, False, False, False]
    return DataSpec({"state": (5,)}, 2, {"state": flat.mean(0).tolist()}, {"state": std}, changes={"state": moves})


def batch(data: Walks, rows: np.ndarray) -> Windows:
    states = torch.from_numpy(data.states[rows])
    none = torch.zeros(states.shape[:2], dtype=torch.bool)
    zeros = torch.zeros(states.shape[:2])
    return Windows({"state": states}, torch.zeros(*zeros.shape, 2), zeros, none, none, ~none)
