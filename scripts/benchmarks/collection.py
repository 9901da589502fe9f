"""How fast pushing and stacking are collected into a dataset on disk, on all cores, without the start-up of workers.

Beside it MuJoCo alone plays the same actions from the same starts, and so meets the same contacts: what is above that
is the lab's own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
from measure import Row, size

from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.workers import cores
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.scene import SUBSTEPS

LEAST_SHARE = 0.7
"""Of the steps that MuJoCo alone makes in the same time."""


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
        if kind.observation == "state":
            shares = beside_mujoco(kind)
            rows += [
                Row(f"{name} / MuJoCo alone, same contacts, {on}", share, "x", LEAST_SHARE, least=True)
                for on, share in zip(("one core", f"{cores()} cores"), shares, strict=True)
            ]
    return rows


def beside_mujoco(kind: Kind) -> tuple[float, float]:
    """Rate of collection over that of MuJoCo alone: of one core's own time, and in wall time on all of them."""
    turns = size(3, 1)
    replays: list[Replay] = []
    collected, alone, both = [], [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            spent: list[tuple[float, int]] = []
            place = gather(kind, 64, 1, partial(_note, spent), Path(folder))
            shard = Dataset.open(place)
            actions = [shard.episode(row).action[1:] for row in range(len(shard))]
            replays = replays or [Replay(kind, *of) for of in zip(shard.table.seed, actions, strict=True)]
        # The first group carries the making of tasks.
        collected.append(sum(steps for _, steps in spent[1:]) / (spent[-1][0] - spent[0][0]))
        alone.append(_rate(replays, 1, time.process_time))
        both.append((on_all_cores(kind), _rate(replays, cores(), time.perf_counter)))
    return max(collected) / max(alone), max(of for of, _ in both) / max(by for _, by in both)


def _note(spent: list[tuple[float, int]], steps: int) -> None:
    spent.append((time.process_time(), steps))


def _rate(replays: Sequence[Replay], threads: int, clock: Callable[[], float]) -> float:
    """Control steps of MuJoCo alone a second: it lets go of Python's lock while it steps."""
    for replay in replays:
        replay.back()
    began = clock()
    with ThreadPoolExecutor(threads) as pool:
        steps = sum(pool.map(Replay.play, replays))
    return steps / (clock() - began)


class Replay:
    """MuJoCo alone, with the commands of an episode from where that began."""

    def __init__(self, kind: Kind, seed: int, actions: np.ndarray) -> None:
        """actions: [steps, 7]"""
        task = HandTask(HandConfig(goal=kind.goal))
        task.reset(seed=int(seed))
        self._physics = task._physics
        self._start = np.empty(self._physics.snapshot_size)
        self._physics.save(self._start)
        self._commands = actions.astype(float) * self._physics._scale + self._physics._offset

    def back(self) -> None:
        self._physics.load(self._start)

    def play(self) -> int:
        """The whole episode; returns how many control steps it has."""
        model, data = self._physics.model, self._physics.data
        for command in self._commands:
            data.ctrl[:] = command
            mujoco.mj_step(model, data, SUBSTEPS)
        return len(self._commands)


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


def gather(
    kind: Kind, episodes: int, workers: int | None, told: Callable[[int], object], folder: Path | None = None
) -> Path:
    """A shard of so many episodes, which stays where a folder is named."""
    if folder is None:
        with tempfile.TemporaryDirectory() as passing:
            return gather(kind, episodes, workers, told, Path(passing))
    data = DataConfig(episodes=episodes)
    task = partial(HandTask, HandConfig(goal=kind.goal, observation=kind.observation))

    def advance(episodes: int, steps: int = 0, **_: int) -> None:
        told(steps)

    place = folder / "shard"
    return collect(place, task, ExpertPolicy, data.seeds(), data.exploration(), workers=workers, advance=advance)
