"""`value=graph`: the length of the shortest way over the cells that episodes visited (Dijkstra); nothing is trained.

Cells are joined where an episode went from one to the other, both ways. From a state the way leads straight to a cell
nearby, over cells, and straight to the goal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wm_lab.data.dataset import Dataset
from wm_lab.values.goals import GoalValue, Ground
from wm_lab.values.value import ValueConfig
from wm_lab.world_model import DataSpec, Windows, WorldModel

NEAR = 9
"""Cells that a way may begin or end with: of a plane, its own and those around it."""

REACH = 1.6
"""Edges of a cell within which a way may begin or end with a cell beside the nearest."""

NOWHERE = 1e6
"""Where cells are that there are not."""

APART = 2.0
"""How far two cells are that no way joins, in the longest ways that there are."""


@dataclass
class VisitedGraphConfig(Ground, ValueConfig):
    """What a graph of visited cells can be told."""


class VisitedGraph(GoalValue):
    Config = VisitedGraphConfig
    config: VisitedGraphConfig
    reckoned = True

    places: Tensor
    ways: Tensor
    typical: Tensor

    def __init__(self, config: VisitedGraphConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.register_buffer("places", torch.full((config.cells, len(config.goal)), NOWHERE))
        self.register_buffer("ways", torch.zeros(config.cells, config.cells))
        self.register_buffer("typical", torch.ones(()))

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        trail = self.take_in(dataset)
        count = int(self.visited.count)
        visits = np.bincount(trail.cells, minlength=count)
        sums = [np.bincount(trail.cells, points, count) for points in trail.points.T]
        # Where episodes were on average, not the middle of the cell, which may lie within a wall.
        places = np.stack(sums, 1) / visits[:, None]
        ways = shortest_ways(places, trail.cells, trail.first)
        self.places[:count] = torch.from_numpy(places)
        self.ways[:count, :count] = torch.from_numpy(ways)
        self.typical.fill_(max(float(ways.mean()), 1e-9))

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError("a graph is reckoned, not trained")

    def way(self, states: Tensor, goals: Tensor) -> Tensor:
        here = states[:, self.config.goal]
        legs, cells = self._nearby(here)  # [M, K]
        ends, last = self._nearby(goals)
        over = self.ways[cells[:, :, None], last[:, None]]  # [M, K, K]
        by_cells = (legs[:, :, None] + over + ends[:, None]).flatten(1).min(1).values
        straight = (here - goals).norm(dim=-1)
        return torch.where(straight <= REACH * self.visited.size, straight, by_cells) / self.typical

    def _nearby(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Cells [M, K] within reach of points [M, G] and how far they are; at least the nearest."""
        away = torch.cdist(points, self.places, compute_mode="donot_use_mm_for_euclid_dist")
        legs, cells = away.topk(min(NEAR, away.shape[1]), largest=False)
        beyond = legs > torch.maximum(REACH * self.visited.size, legs[:, :1])
        return legs + NOWHERE * beyond, cells


def shortest_ways(places: np.ndarray, cells: np.ndarray, first: np.ndarray) -> np.ndarray:
    """[C, C] over `places` [C, G], joined where steps [M] in these cells follow one another."""
    from scipy.sparse import coo_matrix  # slow to load, and most commands know no graph
    from scipy.sparse.csgraph import dijkstra

    count = len(places)
    a, b = cells[:-1], cells[1:]
    moved = (a != b) & ~first[1:]
    pairs = np.unique(np.sort(np.stack([a[moved], b[moved]], 1), 1), axis=0)
    lengths = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    graph = coo_matrix((lengths, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    ways = dijkstra(graph.tocsr(), directed=False)
    joined = np.isfinite(ways)
    found: np.ndarray = np.where(joined, ways, APART * ways[joined].max()).astype(np.float32)
    return found
