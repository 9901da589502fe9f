"""Frozen starts and goals from episodes that nobody learned from: how the field evaluates planning to a goal picture.

A start is a moment of a held-out episode. Its goal is what the same episode showed so many steps later, or, `any`, what
another one showed some time. Every arm plays the same of them, within a budget of steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wm_lab.data.dataset import Dataset
from wm_lab.data.replay import replay
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import read_json, write_json
from wm_lab.evaluation.manifest import SPLITS, Manifest, freeze
from wm_lab.experiment.collections import Collections
from wm_lab.experiment.run_settings import Section
from wm_lab.experiment.tools import Tools, identity
from wm_lab.settings import build
from wm_lab.tasks.recorded_goals import RecordedGoalsTask, RecordedStarts
from wm_lab.tasks.task import Task

REVISION = 1
"""Of how starts and goals are drawn: results of different revisions do not compare."""

ANY = "any"
PEERS = 50  # steps to get to a goal that is half as many away (LeWM, stable-worldmodel)
TRIES = 50  # draws for each start, before too few of them can be had
STREAM = 0x60A1
COUNTS = "counts.json"
CLOSE = 1e-3  # largest difference between a recorded state and the one that is put there, of a number's size


@dataclass(frozen=True)
class Protocol:
    """`25/50`: goals 25 steps after the start, 50 steps to get there; `any/100`: of any two moments."""

    offset: int | None  # steps between start and goal; None: any goal
    budget: int

    @classmethod
    def read(cls, told: str) -> Protocol:
        """UserError where it is none."""
        found = re.fullmatch(r"([1-9]\d*|any)/([1-9]\d*)", told)
        if found is None:
            raise UserError(
                f"exercise.protocol={told!r} is no protocol; write OFFSET/BUDGET in steps, as in 25/50, or any/100 for "
                "any start and any goal"
            )
        return cls(None if found[1] == ANY else int(found[1]), int(found[2]))

    @classmethod
    def fitting(cls, episode_steps: int) -> Protocol:
        """The peers' 25/50, or half an episode and a whole one where episodes are shorter."""
        steps = min(episode_steps, PEERS)
        return cls(max(1, steps // 2), steps)

    def check(self, task: Task) -> None:
        """UserError where no episode of this task could be one."""
        spec = task.task_spec
        for name, steps in (("offset", self.offset), ("budget", self.budget)):
            if steps is not None and steps > spec.episode_steps:
                raise UserError(
                    f"exercise.protocol={self} has {'an' if name == 'offset' else 'a'} {name} of {steps} steps, and an "
                    f"episode of {spec.name} has {spec.episode_steps}; lower it or raise task.episode_steps"
                )
        try:
            task.set_goal(task.state())
        except LookupError as missing:
            raise UserError(
                f"exercise=goals gives episodes new goals, and {missing.args[0]}; choose another task"
            ) from missing
        task.reset(seed=0)

    def __str__(self) -> str:
        return f"{ANY if self.offset is None else self.offset}/{self.budget}"


class Counts(NamedTuple):
    """What was drawn until there were enough starts."""

    solved: int  # draws that had arrived before the first step, and were left out
    episodes: int  # different episodes that starts are from


class FrozenGoals(NamedTuple):
    """Starts and goals as a manifest and the world that it is played in."""

    manifest: Manifest
    counts: Counts
    world: partial[Task]


def freeze_goals(tools: Tools, data: Collections, protocol: Protocol, episodes: int) -> FrozenGoals:
    """So many starts with their goals, drawn now unless they were before; registers the world with the tools.

    UserError where held-out episodes are too short for the offset, or hardly any start is not solved already.
    """
    held = data.held_out_episodes(episodes)
    described = {"protocol": str(protocol), "revision": REVISION, "data": held.digest}
    seeds = SPLITS["test"][:episodes]
    recipe = {
        "name": f"goals-{tools.task_spec.name}",
        "task": identity(tools.settings.task),
        "episodes": episodes,
        **described,
    }

    def work(folder: Path) -> None:
        starts, counts = draw_starts(tools.make_task(), held, protocol, np.array(seeds))
        starts.save(folder)
        write_json(folder / COUNTS, counts._asdict())

    folder = tools.keep(f"goals {protocol}", "goals", recipe, work)
    world = partial(recorded_world, tools.settings.task, folder, described)
    manifest = freeze(world().task_spec, episodes, step_budget=protocol.budget)
    tools.worlds[manifest.hash] = world
    return FrozenGoals(manifest, Counts(**read_json(folder / COUNTS, "counts of starts")), world)


def recorded_world(task: Section, folder: Path, described: dict[str, Any]) -> Task:
    """The task as the frozen starts of this folder are played in it."""
    return RecordedGoalsTask(build(Task, task, "task"), RecordedStarts.load(folder), described)


def draw_starts(task: Task, held: Dataset, protocol: Protocol, seeds: np.ndarray) -> tuple[RecordedStarts, Counts]:
    """A start for each seed [E] from held-out episodes, and a goal that it has not reached yet."""
    random = np.random.default_rng([STREAM, len(seeds)])
    drawn = pairs(held, protocol, random)
    replayed = EpisodeReplay(task, held)
    snapshots: list[np.ndarray] = []
    goals: list[dict[str, np.ndarray]] = []
    used: set[int] = set()
    solved = 0
    while len(snapshots) < len(seeds):
        if solved > TRIES * len(seeds):
            raise UserError(
                f"of {solved + len(snapshots)} starts that were drawn {solved} had reached their goal already; raise "
                "the offset of exercise.protocol"
            )
        (start, at), (other, then) = next(drawn)
        goal = replayed.seen_as_goal(other, then)
        snapshot = replayed.begin(start, at, goal["state"])
        used.add(start)
        if _solved(task, snapshot):
            solved += 1
            continue
        snapshots.append(snapshot)
        goals.append(goal)
    shown = {key: np.stack([goal[key] for goal in goals]) for key in goals[0]}
    return RecordedStarts(seeds, np.stack(snapshots), shown), Counts(solved, len(used))


Moment = tuple[int, int]
"""An episode of a dataset, and a step in it."""


def pairs(held: Dataset, protocol: Protocol, random: np.random.Generator) -> Iterator[tuple[Moment, Moment]]:
    """Starts and goals without end: every moment that has a goal is drawn alike."""
    every = held.episodes("all")
    length = held.table.length[every]
    offset = protocol.offset or 0
    room = np.maximum(length + 1 - offset, 0)
    if not room.any() or not len(every):
        longest = int(length.max()) if len(every) else 0
        raise UserError(
            f"exercise.protocol={protocol} needs held-out episodes of at least {offset} steps, and the longest of "
            f"{len(every)} has {longest}; lower the offset, or record longer episodes"
        )
    first = np.cumsum(room) - room

    def moment() -> Moment:
        number = int(random.integers(room.sum()))
        row = int(np.searchsorted(first, number, "right")) - 1
        return int(every[row]), number - int(first[row])

    while True:
        start = moment()
        yield start, moment() if protocol.offset is None else (start[0], start[1] + offset)


class EpisodeReplay:
    """Puts a task where recorded episodes were."""

    def __init__(self, task: Task, dataset: Dataset) -> None:
        self._task, self._data = task, dataset
        self._imported = any(shard.imported for shard in dataset.shards)

    def begin(self, episode: int, step: int, goal: np.ndarray) -> np.ndarray:
        """A snapshot [S] of that moment, with the goal that a state [D] shows."""
        self._task.restore(self._snapshot(episode, step))
        self._task.set_goal(goal)
        return self._task.snapshot()

    def seen_as_goal(self, episode: int, step: int) -> dict[str, np.ndarray]:
        """What that moment shows, with its "state": markers of goals stand where it has arrived."""
        self._task.restore(self._snapshot(episode, step))
        seen = self._task.set_goal(self._task.state().copy())
        return {**{key: np.array(value) for key, value in seen.items()}, "state": self._task.state().copy()}

    def _snapshot(self, episode: int, step: int) -> np.ndarray:
        recorded = self._data.episode(episode)
        if not self._imported:
            found: np.ndarray = replay(self._task, self._data.task_spec, recorded, [step])[0]
            return found
        try:
            snapshot = self._task.snapshot_like(recorded.state[step].astype(np.float64))
        except LookupError as missing:
            raise UserError(
                f"the recording cannot be gone back to: {missing.args[0]}; exercise=goals needs a task that does"
            ) from missing
        self._task.restore(snapshot)
        error = np.abs(self._task.state() - recorded.state[step]) / (1.0 + np.abs(recorded.state[step]))
        if not error.max() <= CLOSE:
            raise UserError(
                f"the recording cannot be gone back to: number {int(error.argmax())} of the state is off by "
                f"{error.max():.2g} of its size; record it with the lab, whose episodes are replayed"
            )
        put: np.ndarray = snapshot
        return put


def _solved(task: Task, snapshot: np.ndarray) -> bool:
    """Whether there is nothing to do: a step of doing nothing ends in success."""
    task.restore(snapshot)
    *_, info = task.step(np.zeros(task.task_spec.action_size, np.float32))
    return bool(info["success"])
