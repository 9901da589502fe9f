"""What planning costs beside imagining: every planner with a score that is all but free, beside a plain loop.

And beside stable-worldmodel's solver where that is to be found, for which its wheel unpacked on PYTHONPATH is enough.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import torch
from gymnasium.spaces import Box
from measure import Row, fastest
from torch import Tensor

from wm_lab.planners import CEM, MPPI, CEMConfig, MPPIConfig, Planner, RandomShooting, RandomShootingConfig

BUDGET = {"candidates": 256, "horizon": 10, "iterations": 5}
SMALL = {"candidates": 64, "horizon": 5, "iterations": 3, "elites": 16}
ACTION = 7
ROUNDS = 150
PEER = "stable_worldmodel"
LARGEST_SHARE = {1: 0.7, 8: 0.6}
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
            seconds, _ = beside_a_plain_loop(planner, count)
            title = f"{type(planner).__name__}, {count} environment{'s' if count > 1 else ''}, 256 x 10 x 5"
            rows.append(Row(title, 1e3 * seconds, "ms", target))
    for title, budget, count in (("256 x 10 x 5", BUDGET, 1), ("64 x 5 x 3", SMALL, 1), ("256 x 10 x 5", BUDGET, 8)):
        seconds, plain = beside_a_plain_loop(CEM(CEMConfig(**budget), ACTION), count)
        rows.append(Row(f"CEM / a plain loop, {count} at once, {title}", seconds / plain, "x"))
        if find_spec(PEER) is not None:
            seconds, other = beside_a_plain_loop(CEM(CEMConfig(**budget), ACTION), count, peer)
            rows.append(Row(f"CEM / {PEER}'s, {count} at once, {title}", seconds / other, "x", LARGEST_SHARE[count]))
    return rows


def beside_a_plain_loop(
    planner: Planner, count: int, other: Callable[[Planner, Sequence[torch.Generator]], object] | None = None
) -> list[float]:
    """CPU seconds of a plan for `count` environments at once, and of the bare method one environment after another.

    other: instead of the bare method
    """
    generators = [torch.Generator().manual_seed(i) for i in range(count)]
    warm_start = planner.plan(trivial, generators)
    rival = other or plain_cem
    works = [lambda: planner.plan(trivial, generators, warm_start), lambda: rival(planner, generators)]
    return fastest(works, ROUNDS)


def peer(planner: Planner, generators: Sequence[torch.Generator]) -> None:
    """The same search by the other library's solver, all environments at once."""
    c, count = planner.config, len(generators)
    solver = _solver()(
        SimpleNamespace(get_cost=lambda _, actions: -trivial(actions)),
        batch_size=count,
        num_samples=c.candidates,
        n_steps=c.iterations,
        topk=c.elites,
    )
    plan = SimpleNamespace(horizon=c.horizon, action_block=1)
    solver.configure(action_space=Box(-1.0, 1.0, (count, ACTION)), n_envs=count, config=plan)
    with redirect_stdout(io.StringIO()):  # it prints how long each plan took
        solver.solve({"state": torch.zeros(count, 1)}, torch.zeros(count, c.horizon, ACTION))


def _solver() -> Callable[..., object]:
    """Its class, without the rest of the package, which asks for a database."""
    if PEER not in sys.modules:
        found = find_spec(PEER)
        assert found is not None
        sys.modules[PEER] = package = ModuleType(PEER)
        package.__spec__, package.__path__ = found, list(found.submodule_search_locations or [])
        if find_spec("loguru") is None:
            sys.modules["loguru"] = ModuleType("loguru")
            sys.modules["loguru"].logger = None
    return import_module(f"{PEER}.solver.cem").CEMSolver


def plain_cem(planner: Planner, generators: Sequence[torch.Generator]) -> None:
    """The cross-entropy method in its fewest lines: no warm start, no kept elites, nothing that fails is noticed."""
    c = planner.config
    for generator in generators:
        mean, std = torch.zeros(c.horizon, ACTION), torch.full((c.horizon, ACTION), 0.6)
        for _ in range(c.iterations):
            noise = torch.randn(c.candidates, c.horizon, ACTION, generator=generator)
            actions = (mean + std * noise).clamp(-1, 1)
            elites = actions[trivial(actions[None])[0].topk(c.elites).indices]
            mean, std = elites.mean(0), elites.std(0, unbiased=False).clamp_min(c.std_min)


def trivial(actions: Tensor) -> Tensor:
    """[B, N, H, A] -> [B, N], the first number of each sequence."""
    return actions[..., 0, 0]
