"""Plays a policy on a task, several episodes side by side.

Episodes are played in fixed groups: the seeds decide which episodes share a batch, never the number of workers. So a
policy whose arithmetic depends on the batch (any neural network) still plays an episode the same way on 1 or 8 cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from wm_lab.data.episode import Episode
from wm_lab.data.record import GroupRecord
from wm_lab.data.workers import Workers, pool_of
from wm_lab.errors import UserError
from wm_lab.policy import Policy
from wm_lab.tasks.task import Task

TaskFactory = Callable[[], Task]
"""Makes a task; picklable where several workers play, e.g. `functools.partial(HandTask, config)`."""
PolicyFactory = Callable[[], Policy]
"""Makes a policy; picklable where several workers play."""
Advance = Callable[..., object]
"""Hears how the work goes: `advance(episodes, steps=..., solved=...)`, each a count since the last call."""


@dataclass
class PlayConfig:
    """When an episode is over, and how many are played together.

    By default an episode goes on to the task's own limit, as a collection wants; an evaluation that only asks whether
    success was hit sets `stop_after_success=0` and saves the rest.
    """

    stop_after_success: int | None = None  # further steps after the first success; None: play on to the limit
    steps: int | None = None  # a limit below the task's own
    group: int = 16  # side by side: enough for a network's batch to pay, few enough to keep all workers busy

    def __post_init__(self) -> None:
        if self.stop_after_success is not None and self.stop_after_success < 0:
            raise UserError(f"stop_after_success={self.stop_after_success} is negative; use 0 to stop at success")
        if self.steps is not None and self.steps < 1:
            raise UserError(f"steps={self.steps} leaves nothing to play; use at least 1, or null for the task's limit")
        if self.group < 1:
            raise UserError(f"group={self.group} plays no episode; use at least 1")


def play(
    task: TaskFactory,
    policy: PolicyFactory,
    seeds: Sequence[int],
    config: PlayConfig | None = None,
    *,
    workers: Workers | int | None = 1,
    advance: Advance | None = None,
) -> list[Episode]:
    """One episode per seed, in the order of the seeds and the same whatever `workers` is.

    workers: a pool, which stays, or how many processes to start for this call alone (None: one per core)
    """
    played: list[Episode] = []

    def done(_: int, episodes: list[Episode], __: float) -> None:
        played.extend(episodes)

    cast = Cast(task, policy, [int(seed) for seed in seeds], config or PlayConfig())
    play_side_by_side([cast], workers=workers, advance=advance, done=done)
    return played


class Cast(NamedTuple):
    """Who plays which episodes, and how they are played."""

    task: TaskFactory
    policy: PolicyFactory
    seeds: list[int]
    config: PlayConfig

    def groups(self) -> list[list[int]]:
        """Consecutive seeds that play side by side."""
        return split_into_groups(self.seeds, self.config.group)


def play_side_by_side(
    casts: Sequence[Cast],
    *,
    workers: Workers | int | None = 1,
    advance: Advance | None = None,
    done: Callable[[int, list[Episode], float], None],
) -> None:
    """The episodes of all casts: whichever process is free is given the next group, in their order.

    done: hears the place of a cast whose episodes are all there, these in the order of its seeds, and the seconds that
        playing them took, of all processes together
    """
    groups = [
        _Group(index, number, seeds) for index, cast in enumerate(casts) for number, seeds in enumerate(cast.groups())
    ]
    came: list[list[_PlayedGroup]] = [[] for _ in casts]

    def tell(group: _PlayedGroup) -> None:
        if advance is not None:
            advance(len(group.episodes), **counts(group.episodes))
        its = came[group.cast]
        its.append(group)
        if len(its) == len(casts[group.cast].groups()):
            came[group.cast] = []
            its.sort(key=lambda each: each.number)
            done(group.cast, [episode for each in its for episode in each.episodes], sum(each.seconds for each in its))

    with pool_of(workers) as pool:
        pool.map(
            partial(_Players, casts), groups, name=lambda group: describe_group(group.seeds), done=tell, keep=False
        )


class Player:
    """Plays one group after another, keeping its policy and its tasks."""

    def __init__(self, task: TaskFactory, policy: Policy, config: PlayConfig) -> None:
        self._make_task = task
        self._tasks: list[Task] = []
        self._policy = policy
        self._config = config

    def __call__(self, seeds: Sequence[int]) -> list[Episode]:
        """Play one group: its episodes start together, and a finished one drops out of the moments that follow."""
        while len(self._tasks) < len(seeds):
            self._tasks.append(self._make_task())
        tasks, policy, config = self._tasks[: len(seeds)], self._policy, self._config
        limit = tasks[0].task_spec.episode_steps
        steps = limit if config.steps is None else min(config.steps, limit)
        record = GroupRecord(tasks, seeds, policy, steps, config.stop_after_success)
        policy.start(len(seeds))
        for row, seed in enumerate(seeds):
            seen, told = tasks[row].reset(seed=seed)
            if told.get("success"):
                raise UserError(
                    f"{tasks[row].task_spec.name} starts solved with seed {seed}, which would count as a success of "
                    "whoever plays; have its reset draw another start"
                )
            record.began(row, seen)
            policy.reset(row, tasks[row], seed)

        step = 0
        while record.playing:
            moment = record.moment(step)
            began = time.perf_counter()
            chosen = policy.act(moment)
            actions = record.decided(step, chosen, time.perf_counter() - began)
            step += 1
            for row, arrived in zip(record.playing, self._step(tasks, record.playing, actions), strict=True):
                record.arrived(row, step, arrived)
            record.drop_finished(step)
        return record.episodes()

    def _step(self, tasks: Sequence[Task], rows: Sequence[int], actions: np.ndarray) -> Iterable[tuple[Any, ...]]:
        """What `Task.step` returns in each of these rows, under `actions[row]`."""
        return (tasks[row].step(actions[row]) for row in rows)


def split_into_groups(seeds: Sequence[int], size: int) -> list[list[int]]:
    """Consecutive seeds that play side by side."""
    numbers = [int(seed) for seed in seeds]
    return [numbers[i : i + size] for i in range(0, len(numbers), size)]


def describe_group(seeds: Sequence[int]) -> str:
    """How an error names a group."""
    return f"the episodes with seeds {seeds[0]} to {seeds[-1]}"


def counts(episodes: Sequence[Episode]) -> dict[str, int]:
    """What a progress bar shows beside the number of episodes."""
    return {"steps": sum(e.steps for e in episodes), "solved": sum(e.solved for e in episodes)}


class _Group(NamedTuple):
    cast: int
    number: int  # among the groups of its cast
    seeds: list[int]


class _PlayedGroup(NamedTuple):
    cast: int
    number: int
    episodes: list[Episode]
    seconds: float


class _Players:
    """A worker's tools: plays groups of several casts, and keeps the player of the one that it was asked for last."""

    def __init__(self, casts: Sequence[Cast]) -> None:
        self._casts = casts
        self._last: tuple[int, Player] | None = None

    def __call__(self, group: _Group) -> _PlayedGroup:
        began = time.monotonic()
        if self._last is None or self._last[0] != group.cast:
            self._last = None  # the old one goes before the new one needs its memory
            task, policy, _, config = self._casts[group.cast]
            self._last = group.cast, Player(task, policy(), config)
        episodes = self._last[1](group.seeds)
        return _PlayedGroup(group.cast, group.number, episodes, time.monotonic() - began)
