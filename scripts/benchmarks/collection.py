"""How fast pushing and stacking are collected into a dataset on disk, on all cores, without the start-up of workers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from measure import Row, size

from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.workers import cores
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.hand import HandConfig, HandTask


class Kind(NamedTuple):
    """What is collected, and how much of it."""

    goal: str
    observation: str
    episodes: int
    least: float  # control steps a second, on two cores that have nothing else to do


KINDS = (
    # 0.8 of what whole expert episodes under joblib gave without a dataset: 13.1k and 9.2k steps/s.
    Kind("push", "state", 480, 0.8 * 13_100),
    Kind("stack", "state", 256, 0.8 * 9_200),
    Kind("push", "pixels", 128, 1_200),
)


def run() -> list[Row]:
    rows = []
    for kind in KINDS:
        name = f"hand/{kind.goal}, {kind.observation}"
        rows.append(Row(f"{name}, {cores()} cores", on_all_cores(kind), "steps/s", kind.least, least=True))
        rows.append(Row(f"{name}, of one core's own time", of_one_core(kind), "steps/s"))
    return rows


def on_all_cores(kind: Kind) -> float:
    """Control steps per second of wall time, between the first and the last group of episodes that came in."""
    arrivals: list[tuple[float, int]] = []
    gather(kind, size(kind.episodes, 64), None, lambda steps: arrivals.append((time.perf_counter(), steps)))
    # Each worker's first group carries its start-up, so the clock starts when all of them have delivered one.
    counted = arrivals[cores() :]
    return sum(steps for _, steps in counted) / (counted[-1][0] - arrivals[cores() - 1][0])


def of_one_core(kind: Kind) -> float:
    """Control steps per second of CPU time, which other processes on the machine do not stretch so much."""
    steps: list[int] = []
    began = time.process_time()
    gather(kind, size(kind.episodes // 8, 16), 1, steps.append)
    return sum(steps) / (time.process_time() - began)


def gather(kind: Kind, episodes: int, workers: int | None, told: Callable[[int], object]) -> None:
    data = DataConfig(episodes=episodes)
    task = partial(HandTask, HandConfig(goal=kind.goal, observation=kind.observation))

    def advance(episodes: int, steps: int = 0, **_: int) -> None:
        told(steps)

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "shard"
        collect(place, task, ExpertPolicy, data.seeds(), data.exploration(), workers=workers, advance=advance)
