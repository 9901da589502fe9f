"""What an environment must be to become a task, and what its spaces say of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from wm_lab.errors import UserError, unknown
from wm_lab.tasks.gym.contract import Contract
from wm_lab.tasks.gym.foreign import asked, described
from wm_lab.tasks.task import UNTOLD, Variable

EXTRAS = {"mujoco": "'gymnasium[mujoco]'", "imageio": "'gymnasium[mujoco]'", "Box2D": "'gymnasium[box2d]'"}
"""What brings a package that is not installed by its own name alone."""

SCREENS, DRIVER = ("DISPLAY", "WAYLAND_DISPLAY"), "SDL_VIDEODRIVER"
"""What says under Linux that there is a screen, and how pygame is told to look for none."""

SETTLED = {
    "id": "task.id chooses the environment",
    "max_episode_steps": "task.episode_steps says it",
    "disable_env_checker": "the lab has checks of its own",
}
"""Arguments of `gymnasium.make` that are not the user's to give, and why."""


def open_environment(
    name: str, episode_steps: int | None, arguments: Mapping[str, Any] | None = None
) -> tuple[Contract, spaces.Box, int]:
    """The environment with its own wrappers, its actions and its episode length; UserError says why it cannot be.

    arguments: of `gymnasium.make`, beside the id
    """
    module, _, bare = name.rpartition(":")
    if module:
        try:
            import_module(module)
        except Exception as error:
            told = f"task.id={name}: the module {module} cannot be imported ({described(error)})"
            raise UserError(f"{told}; its file belongs into the folder given to --config-dir") from error
    if bare not in gymnasium.registry:
        raise unknown("task.id", bare, gymnasium.registry)
    env = _make(name, bare, dict(arguments or {}))
    box = asked(f"task.id={name}: action_space", getattr, env, "action_space", None)
    if not isinstance(box, spaces.Box) or not np.isfinite([box.low, box.high]).all():
        mend = (
            "give its action_space finite bounds, in a wrapper of your own if need be"
            if isinstance(box, spaces.Box)
            else "choose one whose action_space is a Box"
        )
        raise UserError(f"task.id={name} takes {box}, but planners here need bounded continuous actions; {mend}")
    seen = asked(f"task.id={name}: observation_space", getattr, env, "observation_space", None)
    if seen is None:
        raise UserError(f"task.id={name} declares no observation_space; say in its constructor what it shows")
    for key, space in _leaves(seen):
        if not isinstance(space, spaces.Box):
            raise UserError(f"task.id={name} shows {space} as {key}; observations must be numbers: Box, Dict or Tuple")
        if len(space.shape) >= 3:
            raise UserError(
                f"task.id={name} shows pictures {space.shape} as {key}; let it observe numbers, and set "
                "task.observation=pixels to see the picture that it renders"
            )
    limits = [limit for limit in (gymnasium.spec(bare).max_episode_steps, *_lift_limits(env)) if limit]
    steps = episode_steps or min(limits, default=None)
    if steps is None:
        raise UserError(f"task.id={name} names no episode length; set task.episode_steps")
    return env, box, steps


def _make(name: str, bare: str, arguments: dict[str, Any]) -> Contract:
    for key, why in SETTLED.items():
        if key in arguments:
            raise UserError(f"task.make.{key}={arguments[key]} cannot be given to the environment: {why}")
    if sys.platform == "linux" and not any(os.environ.get(screen) for screen in SCREENS):
        os.environ.setdefault(DRIVER, "dummy")  # else pygame complains in the midst of a run, and draws all the same
    # The episode's length is the task's affair, so no time limit stands in the way of planning beyond it.
    make = partial(gymnasium.make, bare, disable_env_checker=True, max_episode_steps=-1, **arguments)
    try:
        env: Any = asked(f"task.id={name}: making it", make)
    except UserError as error:
        if isinstance(error.__cause__, gymnasium.error.DependencyNotInstalled | ImportError):
            raise UserError(f"task.id={name} lacks a package: {_lacking(error.__cause__)}") from error
        raise
    blind: str | None = None
    metadata = env.metadata if isinstance(env.metadata, Mapping) else {}
    if "rgb_array" in (metadata.get("render_modes") or ()) and env.render_mode is None:
        try:
            env = make(render_mode="rgb_array")
        except TypeError:  # of a constructor that takes no such mode: then it goes without pictures
            pass
        except Exception as error:  # no screen, no OpenGL: it may do without
            blind = described(error)
    return Contract(env, name, blind)


def _lacking(error: Exception) -> str:
    """What is not installed and, where the error does not say it, how to get it."""
    told = " ".join(str(error).split())
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if "install" in told or not package:
        return told
    return f"{told}; pip install {EXTRAS.get(package, package)}"


def control_hz_of(env: Any, action: np.ndarray) -> float | None:
    """Control steps a second, where the environment truly tells; the episode that runs is a step further afterwards.

    MuJoCo's clock is a truth, wrappers that repeat an action included, and so is a number called `control_hz`.
    `render_fps` is none: it says how fast a film is shown.
    """
    told = getattr(env.unwrapped, "control_hz", None)
    if isinstance(told, int | float) and 0 < told < np.inf:
        return float(told)
    model, data = (getattr(env.unwrapped, name, None) for name in ("model", "data"))
    if not isinstance(model, mujoco.MjModel) or not isinstance(data, mujoco.MjData):
        return None
    began = data.time
    env.step(action)
    substep = float(model.opt.timestep)
    substeps = round((data.time - began) / substep)
    if substeps < 1 or not np.isclose(substeps * substep, data.time - began):
        return None
    hz: float = 1.0 / (substeps * substep)
    return hz


def _lift_limits(env: Any) -> list[int]:
    """Keep wrappers inside the environment from ending episodes, as `make` was asked to; returns their limits."""
    limits = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env._max_episode_steps)
            env._max_episode_steps = sys.maxsize
        env = env.env
    return limits


def _leaves(space: Any, name: str = "observation") -> list[tuple[str, spaces.Space[Any]]]:
    """The plain spaces of a nested one, in the order in which they are flattened."""
    if isinstance(space, spaces.Dict):
        return [leaf for key, inner in space.spaces.items() for leaf in _leaves(inner, str(key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for i, inner in enumerate(space.spaces) for leaf in _leaves(inner, f"{name}{i}")]
    return [(name, space)]


def variables_of(space: spaces.Space[Any]) -> tuple[Variable, ...]:
    found, start = [], 0
    for key, leaf in _leaves(space):
        size = spaces.flatdim(leaf)
        found.append(Variable(key, start, start + size, UNTOLD))
        start += size
    return tuple(found)


def function_at(path: str, name: str) -> Callable[..., Any]:
    """What `module:function` names, its mistakes told in a sentence."""
    module, _, attribute = path.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:
        raise UserError(
            f"{name}={path} cannot be imported ({described(error)}); write module:function, with the module's file in "
            "the folder given to --config-dir or installed"
        ) from error
    if not callable(found):
        raise UserError(f"{name}={path} is {found!r} and no function; write module:function")
    return partial(asked, f"{name}={path}", found)


def truth(value: Any, told: str) -> bool:
    """What somebody else's code says of success, which is yes or no; an error begins with `told`."""
    found = np.asarray(value)
    if found.size != 1 or found.dtype.kind not in "biuf" or np.isnan(found.item()):
        raise UserError(f"{told} {value!r}, and success is True or False")
    return bool(found.item())
