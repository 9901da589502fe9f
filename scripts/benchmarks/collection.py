"""How fast `hand/push` is collected into a dataset on disk, on all cores, start-up of the workers left out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measure import Row

from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.workers import cores
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.hand import HandConfig, HandTask

EPISODES = {"state": 480, "pixels": 128}
LEAST = {"state": 10_000.0, "pixels": 2_000.0}  # control steps a second, on two cores that have nothing else to do


def run() -> list[Row]:
    rows = []
    for kind, least in LEAST.items():
        rows.append(Row(f"hand/push, {kind}, {cores()} cores", on_all_cores(kind), "steps/s", least, least=True))
        rows.append(Row(f"hand/push, {kind}, of one core's own time", of_one_core(kind), "steps/s"))
    return rows


def on_all_cores(kind: str) -> float:
    """Control steps per second of wall time, between the first and the last group of episodes that came in."""
    arrivals: list[tuple[float, int]] = []
    gather(kind, EPISODES[kind], None, lambda steps: arrivals.append((time.perf_counter(), steps)))
    # Each worker's first group carries its start-up, so the clock starts when all of them have delivered one.
    counted = arrivals[cores() :]
    return sum(steps for _, steps in counted) / (counted[-1][0] - arrivals[cores() - 1][0])


def of_one_core(kind: str) -> float:
    """Control steps per second of CPU time, which other processes on the machine do not stretch so much."""
    steps: list[int] = []
    began = time.process_time()
    gather(kind, EPISODES[kind] // 8, 1, steps.append)
    return sum(steps) / (time.process_time() - began)


def gather(kind: str, episodes: int, workers: int | None, told: Callable[[int], object]) -> None:
    data = DataConfig(episodes=episodes)
    task = partial(HandTask, HandConfig(goal="push", observation=kind))

    def advance(episodes: int, steps: int = 0, **_: int) -> None:
        told(steps)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "shard"
        collect(place, task, ExpertPolicy, data.seeds(), data.exploration(), workers=workers, advance=advance)
