"""What values of the way to a goal have in common: where the goal is, and what was never visited.

A goal is those numbers of a state that success depends on, with the goal reached. States are decoded from the imagined
features, so that such a value serves every model that decodes a state, and the true simulator.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wm_lab.data.dataset import Dataset
from wm_lab.domains import Amount, Domain, Positive, Weight
from wm_lab.errors import UserError
from wm_lab.objectives import Objective, Term
from wm_lab.tasks.task import Task
from wm_lab.values.value import Value
from wm_lab.world_model import DataSpec, Imagination, WorldModel

GROWTH = 1.2
"""Of a cell, as long as there are too many."""


@dataclass
class Ground:
    """Options of what was visited, and of how the way to a goal counts."""

    alone: bool = True  # plans are judged by the way to go alone; false: beside the objective's terms
    leaving: Weight = 2.0  # price of each imagined step where no episode has been; 0: none
    cell: Positive = 0.5  # edge of the cells that tell what was visited, in tolerances of success
    cells: Annotated[int, Domain(least=1, most=20_000)] = 1500  # most of them; cells grow until there are no more
    goal: list[Amount] = field(default_factory=list)  # numbers of the state that success depends on; filled in
    tolerance: Positive = 1.0  # of success, in their unit; filled in


class Visited(nn.Module):
    """The cells of a grid that episodes visited, sorted by key. Buffers have the size of the most there may be."""

    low: Tensor  # [G]
    size: Tensor  # edge of a cell
    extent: Tensor  # [G] int64, cells along each axis
    keys: Tensor  # [C] int64
    count: Tensor

    def __init__(self, dimensions: int, cells: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(dimensions))
        self.register_buffer("size", torch.ones(()))
        self.register_buffer("extent", torch.ones(dimensions, dtype=torch.long))
        self.register_buffer("keys", torch.full((cells,), torch.iinfo(torch.long).max))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def take_in(self, points: np.ndarray, size: float) -> np.ndarray:
        """Cells of points [M, G], at least `size` wide: the number of each point's [M]."""
        low, high = points.min(0), points.max(0)
        size = max(size, 1e-9)
        while True:
            index = np.floor((points - low) / size).astype(np.int64)
            extent = np.floor((high - low) / size).astype(np.int64) + 1
            if np.log2(extent.astype(float)).sum() < 62:
                keys, number = np.unique(_keys(index, extent), return_inverse=True)
                if len(keys) <= len(self.keys):
                    break
            size *= GROWTH
        self.low.copy_(torch.from_numpy(low))
        self.size.fill_(size)
        self.extent.copy_(torch.from_numpy(extent))
        self.keys[: len(keys)] = torch.from_numpy(keys)
        self.count.fill_(len(keys))
        return number.reshape(-1)

    def forward(self, points: Tensor) -> Tensor:
        """Whether episodes have been where these points are: [..., G] -> bool [...]."""
        index = ((points - self.low) / self.size).floor().long()
        inside = ((index >= 0) & (index < self.extent)).all(-1)
        index = index.clamp_min(0).minimum(self.extent - 1)
        key = torch.zeros_like(index[..., 0])
        for axis, extent in enumerate(self.extent):
            key = key * extent + index[..., axis]
        place = torch.searchsorted(self.keys, key).clamp_max(len(self.keys) - 1)
        return inside & (self.keys[place] == key)


class Trail(NamedTuple):
    """All steps of all episodes, one after another."""

    points: np.ndarray  # [M, G]
    cells: np.ndarray  # [M] int, number of the cell that each lies in
    first: np.ndarray  # [M] bool, an episode begins here


class GoalValue(Value):
    """Minus the way from a state to the goal, 1 where it is as long as between two visited states on average."""

    config: Any

    def __init__(self, config: Any, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.visited = Visited(len(config.goal), config.cells)

    @classmethod
    def facts(cls, task: Task, features: int) -> dict[str, Any]:
        decisive = [v for v in task.task_spec.variables if v.tolerance is not None]
        if not decisive:
            raise LookupError(f"{task.task_spec.name} does not say which numbers of its state success depends on")
        task.goal_state(torch.from_numpy(task.state()))
        goal = [index for v in decisive for index in range(v.start, v.stop)]
        return {"goal": goal, "tolerance": min(v.tolerance for v in decisive if v.tolerance is not None)}

    @abstractmethod
    def way(self, states: Tensor, goals: Tensor) -> Tensor:
        """States [M, D], goals [M, G] -> how far it is [M], 1 where it is as far as on average."""

    def prepare(self, dataset: Dataset, model: WorldModel | None) -> None:
        self.take_in(dataset)

    def take_in(self, dataset: Dataset) -> Trail:
        """Remember what training episodes visited."""
        parts = [dataset.episode(int(e)).observation["state"][:, self.config.goal] for e in dataset.episodes("train")]
        first = np.concatenate([np.arange(len(part)) == 0 for part in parts])
        points = np.concatenate(parts)
        return Trail(points, self.visited.take_in(points, self.config.cell * self.config.tolerance), first)

    def added_to(self, objective: Objective, model: WorldModel, task: Task) -> Objective:
        if "state" not in model.decoded_keys:
            raise UserError(
                f"a way to a goal is told of decoded states, and this model decodes "
                f"{', '.join(model.decoded_keys) or 'nothing'}; use a state model, or value=return"
            )
        config = self.config

        def still_to_go(features: Tensor) -> Tensor:
            blank = features[..., :1]
            states = model.decode(Imagination(features[:, :, None], blank, blank))["state"][:, :, 0].float()
            goals = task.goal_state(states)[..., config.goal]
            way = self.way(states.flatten(0, 1), goals.flatten(0, 1)).unflatten(0, states.shape[:2])
            score: Tensor = -config.weight * way
            return score

        terms: list[tuple[float, Term]] = [] if config.alone else list(objective.terms)
        if config.leaving:
            terms.append((config.leaving, Leaving(model.decode, self.visited, config.goal)))
        return Objective(
            terms, 0.0 if config.alone else objective.final_weight, still_to_go, mortal=False, goal=objective.goal
        )


class Leaving:
    """A term: -1 at every step where no episode has been, since nothing tells whether the model is right there."""

    told: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, decode: Callable[[Imagination], dict[str, Tensor]], visited: Visited, goal: list[int]) -> None:
        self.decode, self.visited, self.goal = decode, visited, goal

    def __call__(self, imagination: Imagination, actions: Tensor) -> Tensor:
        known: Tensor = self.visited(self.decode(imagination)["state"][..., self.goal])
        return -(~known).float()


def _keys(index: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """[M, G] -> [M], one number a cell."""
    key = np.zeros(len(index), np.int64)
    for axis, size in enumerate(extent):
        key = key * size + index[:, axis]
    return key
