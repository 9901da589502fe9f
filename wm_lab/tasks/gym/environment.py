"""What an environment must be to become a task, and what its spaces say of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.task import UNTOLD, Variable


def open_environment(name: str, episode_steps: int | None) -> tuple[Any, spaces.Box, int]:
    """The environment with its own wrappers, its actions and its episode length; UserError says why it cannot be."""
    module, _, bare = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except ImportError as missing:
            raise UserError(f"task.id={name}: the module {module} cannot be imported ({missing})") from missing
    if bare not in gymnasium.registry:
        raise unknown("task.id", bare, gymnasium.registry)
    try:
        # The episode's length is the task's affair, so no time limit stands in the way of planning beyond it.
        env: Any = gymnasium.make(bare, disable_env_checker=True, max_episode_steps=-1)
        if "rgb_array" in env.metadata.get("render_modes", ()) and env.render_mode is None:
            with suppress(TypeError):  # of a constructor that takes no such mode: then it goes without pictures
                env = gymnasium.make(bare, disable_env_checker=True, max_episode_steps=-1, render_mode="rgb_array")
    except gymnasium.error.DependencyNotInstalled as missing:
        raise UserError(f"task.id={name} lacks a package: {missing}") from missing
    except ImportError as missing:
        raise UserError(f"task.id={name} lacks a package: {missing}; pip install 'gymnasium[mujoco]'") from missing
    box = env.action_space
    if not isinstance(box, spaces.Box) or not np.isfinite([box.low, box.high]).all():
        raise UserError(
            f"task.id={name} takes {box}, but planners here need bounded continuous actions (a finite Box); wrap the "
            "environment, for instance in gymnasium.wrappers.RescaleAction"
        )
    for key, space in _leaves(env.observation_space):
        if not isinstance(space, spaces.Box):
            raise UserError(f"task.id={name} shows {space} as {key}; observations must be numbers: Box, Dict or Tuple")
        if len(space.shape) == 3:
            raise UserError(
                f"task.id={name} shows pictures {space.shape} as {key}; let it observe numbers, and set "
                "task.observation=pixels to see the picture that it renders"
            )
    limits = [limit for limit in (gymnasium.spec(bare).max_episode_steps, *_lift_limits(env)) if limit]
    steps = episode_steps or min(limits, default=None)
    if steps is None:
        raise UserError(f"task.id={name} names no episode length; set task.episode_steps")
    return env, box, steps


def _lift_limits(env: Any) -> list[int]:
    """Keep wrappers inside the environment from ending episodes, as `make` was asked to; returns their limits."""
    limits = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env._max_episode_steps)
            env._max_episode_steps = sys.maxsize
        env = env.env
    return limits


def _leaves(space: spaces.Space, name: str = "observation") -> list[tuple[str, spaces.Space]]:
    """The plain spaces of a nested one, in the order in which they are flattened."""
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in _leaves(inner, str(key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for i, inner in enumerate(space.spaces) for leaf in _leaves(inner, f"{name}{i}")]
    return [(name, space)]


def variables_of(space: spaces.Space) -> tuple[Variable, ...]:
    found, start = [], 0
    for key, leaf in _leaves(space):
        size = spaces.flatdim(leaf)
        found.append(Variable(key, start, start + size, UNTOLD))
        start += size
    return tuple(found)


def function_at(path: str, name: str) -> Callable[..., Any]:
    """What `module:function` names."""
    module, _, attribute = path.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"{name}={path} cannot be imported ({error}); write module:function, with the module's file in the folder "
            "given to --config-dir or installed"
        ) from error
