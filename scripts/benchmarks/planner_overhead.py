"""What planning costs beside imagining: every planner with a score that is all but free, 256 candidates x 10 x 5."""

from __future__ import annotations

import torch
from measure import Row, fastest
from torch import Tensor

from wm_lab.planners import CEM, MPPI, CEMConfig, MPPIConfig, Planner, RandomShooting, RandomShootingConfig

BUDGET = {"candidates": 256, "horizon": 10, "iterations": 5}
ACTION = 7
ROUNDS = 150
LARGEST_MS = {1: 3.0, 8: 12.0}  # for so many environments at once


def run() -> list[Row]:
    planners: list[Planner] = [
        CEM(CEMConfig(**BUDGET), ACTION),
        MPPI(MPPIConfig(**BUDGET), ACTION),
        RandomShooting(RandomShootingConfig(**BUDGET), ACTION),
    ]
    rows = []
    for planner in planners:
        for count, target in LARGEST_MS.items():
            generators = [torch.Generator().manual_seed(i) for i in range(count)]
            warm_start = planner.plan(trivial, generators)
            (seconds,) = fastest([lambda: planner.plan(trivial, generators, warm_start)], ROUNDS)  # noqa: B023
            title = f"{type(planner).__name__}, {count} environment{'s' if count > 1 else ''}, 256 x 10 x 5"
            rows.append(Row(title, 1e3 * seconds, "ms", target))
    return rows


def trivial(actions: Tensor) -> Tensor:
    """[B, N, H, A] -> [B, N], the first number of each sequence."""
    return actions[..., 0, 0]
