"""What an environment keeps in Python: a digest that tells whether any of it changed, and its sources of chance."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Iterator
from enum import Enum
from itertools import islice
from pathlib import PurePath
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import mujoco
import numpy as np
from gymnasium.envs.mujoco.mujoco_rendering import MujocoRenderer
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import TimeLimit

from wm_lab.tasks.gym.contract import Contract

PLAIN = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    Enum,
    type,
    ModuleType,
    PurePath,
    range,
    np.dtype,
    np.generic,
)
CHANCE = (np.random.Generator, np.random.RandomState, random.Random)
SKIPPED = (mujoco.MjData, MujocoRenderer, EnvSpec)
"""MuJoCo's state is saved on its own; pictures and names change nothing of what happens."""
UNREAD = {TimeLimit: ("_elapsed_steps",), Contract: ("_seed", "_steps")}
"""Counts that nothing depends on: the limit of a `TimeLimit` is lifted, and a `Contract` tells where it was broken."""
MOST = 100_000  # things that are looked at in one environment
POINTER = 8  # bytes


def digest(env: Any) -> str | None:
    """Changes with anything in the environment and its wrappers but MuJoCo's data; None where some of it is hidden."""
    found = hashlib.blake2b()
    count = 0
    for count, (_, part) in enumerate(_walk(env)):
        if part is None or count == MOST:
            return None
        found.update(part)
    return found.hexdigest()


def chance(env: Any) -> list[bytes]:
    """The states of all generators of random numbers that can be found in the environment and its wrappers."""
    return [part for thing, part in islice(_walk(env), MOST) if isinstance(thing, CHANCE) and part is not None]


def _walk(root: Any) -> Iterator[tuple[Any, bytes | None]]:
    """Every thing once, always in the same order, with what it holds itself; None where that cannot be seen."""
    todo = [root]
    seen: dict[int, tuple[int, Any]] = {}
    while todo:
        thing = todo.pop()
        if isinstance(thing, SKIPPED):
            continue
        if isinstance(thing, PLAIN):
            yield thing, f"{type(thing).__name__} {thing!r}".encode()
            continue
        if id(thing) in seen:
            yield thing, f"number {seen[id(thing)][0]}".encode()
            continue
        seen[id(thing)] = len(seen), thing  # kept, so that nothing else gets its id
        parts = _parts(thing)
        todo.extend(reversed(parts or ()))
        own = _own(thing)
        yield thing, own if own is not None or parts is None else type(thing).__qualname__.encode()


def _own(thing: Any) -> bytes | None:
    """The contents of what holds numbers outside of Python's objects."""
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        return f"{thing.dtype} {thing.shape}".encode() + thing.tobytes()
    if isinstance(thing, np.random.Generator):
        return repr(thing.bit_generator.state).encode()
    if isinstance(thing, np.random.RandomState):
        return repr(thing.get_state(legacy=False)).encode()
    if isinstance(thing, random.Random):
        return repr(thing.getstate()).encode()
    if isinstance(thing, mujoco.MjModel):
        model = np.empty(mujoco.mj_sizeModel(thing), np.uint8)
        mujoco.mj_saveModel(thing, None, model)
        return model.tobytes()
    return None


def _parts(thing: Any) -> list[Any] | None:
    """The things that a thing is made of; None where they cannot be seen."""
    if isinstance(thing, dict):
        return [part for pair in thing.items() for part in pair] + _attributes(thing)
    if isinstance(thing, list | tuple | deque):
        return [*thing, *_attributes(thing)]
    if isinstance(thing, set | frozenset):
        return sorted(thing, key=repr)
    if isinstance(thing, np.ndarray):
        return list(thing.ravel()) if thing.dtype == object else []
    if isinstance(thing, FunctionType):
        return [thing.__qualname__, *(thing.__closure__ or ()), *(thing.__defaults__ or ())]
    if isinstance(thing, CellType):
        try:
            return [thing.cell_contents]
        except ValueError:  # it is empty yet
            return []
    if isinstance(thing, MethodType | BuiltinFunctionType):
        return [thing.__name__, thing.__self__]
    kind = type(thing)
    slots = [name for base in kind.__mro__ for name, value in vars(base).items() if type(value).__name__ == SLOT]
    # An instance of a class in Python is its attributes, with two pointers to spare; anything larger hides something.
    if kind.__basicsize__ > object.__basicsize__ + POINTER * (len(slots) + 2):
        return None
    return _attributes(thing) + [getattr(thing, name, None) for name in slots]


SLOT = "member_descriptor"


def _attributes(thing: Any) -> list[Any]:
    unread = UNREAD.get(type(thing), ())
    held = getattr(thing, "__dict__", {}).items()
    return [part for name, value in held if name not in unread for part in (name, value)]
