"""What an environment is made of, as far as Python can see: layers that keep nothing, and sources of chance."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from itertools import islice
from types import CellType, FunctionType, MethodType
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import wrappers
from gymnasium.envs.registration import EnvSpec

from wm_lab.tasks.gym.contract import Contract

STOCK = "gymnasium.envs.mujoco."
KEEPING_NOTHING = (
    Contract,
    wrappers.OrderEnforcing,
    wrappers.PassiveEnvChecker,
    wrappers.TimeLimit,  # its limit is lifted, so nothing depends on its count
    wrappers.RescaleAction,
    wrappers.ClipAction,
    wrappers.RescaleObservation,
    wrappers.FlattenObservation,
    wrappers.FilterObservation,
    wrappers.DtypeObservation,
)
CHANCE = (np.random.Generator, np.random.RandomState, random.Random)
MOST = 100_000  # things that are looked at in one environment


def all_in_mujoco(env: Any) -> bool:
    """Whether MuJoCo's state is known to be all that changes in an episode: Gymnasium's own environments and wrappers.

    Anybody else's class may remember something in Python, and may do so only once a goal is reached.
    """
    while isinstance(env, gymnasium.Wrapper):
        if type(env) not in KEEPING_NOTHING:
            return False
        env = env.env
    return type(env).__module__.startswith(STOCK) and isinstance(getattr(env, "model", None), mujoco.MjModel)


def chance(env: Any) -> list[str]:
    """The states of all generators of random numbers that can be found in the environment and its wrappers."""
    found = (thing for thing in islice(_walk(env), MOST) if isinstance(thing, CHANCE))
    return [_state(thing) for thing in found if not isinstance(thing, random.SystemRandom)]  # which has no state


def _state(generator: Any) -> str:
    if isinstance(generator, np.random.Generator):
        return repr(generator.bit_generator.state)
    return repr(generator.getstate() if isinstance(generator, random.Random) else generator.get_state(legacy=False))


def _walk(root: Any) -> Iterator[Any]:
    """Every thing once, always in the same order."""
    todo = [root]
    seen: dict[int, Any] = {}  # whose things are kept, so that nothing else gets their id
    while todo:
        thing = todo.pop()
        if id(thing) not in seen and not isinstance(thing, EnvSpec | type):
            seen[id(thing)] = thing
            yield thing
            todo.extend(reversed(_parts(thing)))


def _parts(thing: Any) -> list[Any]:
    """What a thing holds, where that can be seen."""
    if isinstance(thing, dict):
        return [*thing.values()]
    if isinstance(thing, list | tuple | deque):
        return [*thing]
    if isinstance(thing, FunctionType):
        return [*(thing.__closure__ or ())]
    if isinstance(thing, MethodType):
        return [thing.__self__]
    if isinstance(thing, CellType):
        try:
            return [thing.cell_contents]
        except ValueError:  # it is empty yet
            return []
    try:
        return [*vars(thing).values()]
    except Exception:  # a thing without attributes, or a stand-in for another one that is not there
        return []
