"""Does an environment repeat itself, and how can it be put back in time? It is asked before any work.

Two short episodes of random actions are played again and again: after one another, with others in between, and side by
side in two instances. What they show must be the same to the last bit. Where it is, playing an episode's actions again
leads back to any of its steps. Where all of an episode is known to be in MuJoCo, and that state put back at several
steps leads to the same, this is the faster way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np

from wm_lab.tasks.gym.contents import chance

STEPS = 200  # at most, of one episode
LEAST = 10  # steps, however slow the environment is
SECONDS = 0.15  # of a processor, for playing one episode once, if that is more than so many steps
PATIENCE = 10.0  # times as many seconds by the clock, on a busy machine or with a simulator elsewhere
OTHERS, BRIEF = 12, 12  # episodes begun in between, which may change those that follow, and steps of each
POINTS = 5  # steps of an episode to which the probe goes back
FULL, NONE = 4, 7  # every so many actions are at the ends of their range, and every so many are none


class Probed(Protocol):
    """A task, seen by the probe. Numbers are all that an environment returned: see `names`."""

    @property
    def environment(self) -> Any: ...

    def begin(self, seed: int) -> np.ndarray:
        """Start an episode; what is seen."""
        ...

    def play(self, action: np.ndarray) -> np.ndarray:
        """One step; what is seen."""
        ...

    @property
    def over(self) -> bool:
        """Whether the environment has ended the episode."""
        ...

    def name(self, number: int) -> str:
        """Of one of the numbers seen."""
        ...

    def in_second_instance(self) -> AbstractContextManager[None]:
        """Inside, another instance of the environment plays."""
        ...

    def save(self) -> np.ndarray:
        """MuJoCo's state."""
        ...

    def load(self, saved: np.ndarray) -> None:
        """Put MuJoCo's state back."""
        ...


class Repeats(NamedTuple):
    """How far an environment repeats itself."""

    difference: str | None  # what differed, and where; None: it repeats itself
    in_mujoco: bool = False  # all that an episode changes is in MuJoCo's state
    chance: bool = False  # seeded chance is drawn while an episode runs


def probe(task: Probed, size: int, steps: int, in_mujoco: bool) -> Repeats:
    """size: of an action; steps: of an episode; in_mujoco: whether it is known to keep everything in MuJoCo."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1.0, 1.0, (2, min(steps, STEPS), size)).astype(np.float32)
    actions[:, ::FULL] = np.sign(actions[:, ::FULL])
    actions[:, 2::NONE] = 0.0
    try:
        first = _first(task, 0, actions[0])
        second = _first(task, 1, actions[1])
        others = _others(task, actions[0])
        _again(task, 0, actions[0], first, "after other episodes")
        _side_by_side(task, actions, (first, second))
        with task.in_second_instance():
            for seed, seen in others.items():
                _again(task, seed, actions[0], seen, "in a second instance")
    except _Differs as found:
        return Repeats(str(found))
    task.begin(0)
    drawn = chance(task.environment)
    for action in actions[0, : len(first) - 1]:
        task.play(action)
    drawn_later = chance(task.environment)
    return Repeats(None, in_mujoco and _all_in_mujoco(task, actions, (first, second)), drawn != drawn_later)


class _Differs(Exception):
    pass


def _first(task: Probed, seed: int, actions: np.ndarray) -> list[np.ndarray]:
    """What an episode shows, as long as it lasts and as time allows."""
    seen, late = [task.begin(seed)], _timer()
    for count, action in enumerate(actions):
        if task.over or (count >= LEAST and late()):
            break
        seen.append(task.play(action))
    return seen


def _others(task: Probed, actions: np.ndarray) -> dict[int, list[np.ndarray]]:
    """What brief other episodes show: some environments count them and become harder, and some differ now and then."""
    late, found = _timer(), {}
    for seed in range(2, 2 + OTHERS):
        if late():
            break
        found[seed] = _first(task, seed, actions[:BRIEF])
    return found


def _timer() -> Callable[[], bool]:
    """Tells whether the time for one episode is over."""
    worked, began = time.process_time(), time.monotonic()
    return lambda: time.process_time() - worked > SECONDS or time.monotonic() - began > PATIENCE * SECONDS


def _again(task: Probed, seed: int, actions: np.ndarray, known: list[np.ndarray], when: str) -> None:
    for _ in _steps(task, seed, actions, known, when):
        pass


def _side_by_side(task: Probed, actions: np.ndarray, known: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    """The second episode in another instance, and the first one here at the same time: nothing may be shared."""
    here = _steps(task, 0, actions[0], known[0], "beside a second instance")
    there = _steps(task, 1, actions[1], known[1], "in a second instance")
    for _ in range(max(map(len, known))):
        next(here, None)
        with task.in_second_instance():
            next(there, None)


def _steps(task: Probed, seed: int, actions: np.ndarray, known: list[np.ndarray], when: str) -> Iterator[int]:
    """Play an episode again, stopping after each step."""
    for step in range(len(known)):
        seen = task.play(actions[step - 1]) if step else task.begin(seed)
        _compare(task, seen, known[step], f"{step} steps into the episode with seed {seed}", when)
        yield step


def _compare(task: Probed, seen: np.ndarray, known: np.ndarray, where: str, when: str) -> None:
    if seen.shape != known.shape:
        raise _Differs(f"{where} it showed {len(known)} numbers at first and {len(seen)} {when}")
    other = np.flatnonzero((seen != known) & ~(np.isnan(seen) & np.isnan(known)))
    if len(other):
        i = int(other[0])
        raise _Differs(f"{where}, {task.name(i)} was {known[i]:.9g} at first and {seen[i]:.9g} {when}")


def _all_in_mujoco(task: Probed, actions: np.ndarray, known: tuple[list[np.ndarray], list[np.ndarray]]) -> bool:
    """Whether putting MuJoCo's state back is as good as playing again, from several steps of both episodes."""
    saved: list[list[tuple[int, np.ndarray]]] = [[], []]
    for seed in (1, 0):
        points = set(np.linspace(0, len(known[seed]) - 1, POINTS).astype(int).tolist())
        for step in _steps(task, seed, actions[seed], known[seed], ""):
            if step in points:
                saved[seed].append((step, task.save()))
    for seed in (0, 1):
        task.begin(seed)
        task.play(actions[1 - seed, -1])
        if not _goes_on(task, actions[seed], known[seed], saved[seed]):
            return False
        with task.in_second_instance():
            task.begin(seed)
            if not _goes_on(task, actions[seed], known[seed], saved[seed]):
                return False
    return True


def _goes_on(task: Probed, actions: np.ndarray, known: list[np.ndarray], saved: list[tuple[int, np.ndarray]]) -> bool:
    """Whether the episode goes on from each of the saved steps as it did, the last ones first."""
    for start, state in reversed(saved):
        task.load(state)
        for step in range(start + 1, len(known)):
            if not np.array_equal(task.play(actions[step - 1]), known[step], equal_nan=True):
                return False
    return True
