"""What Gymnasium's interface promises, held against what an environment does: `reset`, `step`, `render`.

Behind this wrapper everything is as promised: an observation of the space's own shape whose numbers fit single
precision, a reward that is one finite number, two flags and a dictionary. Whatever is not, and whatever goes wrong in
somebody else's code, is told in one sentence that names the environment and the line of the contract.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from wm_lab.errors import UserError
from wm_lab.tasks.gym.foreign import asked

LARGEST = float(np.finfo(np.float32).max)  # that an observation or a reward can be

NUMBERS = "fiub"
"""Kinds of arrays that hold numbers: floats, whole numbers, flags."""

RESET = "reset(self, *, seed=None, options=None) -> (observation, info)"
STEP = "step(action) -> (observation, reward, terminated, truncated, info)"
RENDER = "render() with render_mode=rgb_array -> an array (height, width, 3) of uint8"


class Contract(gymnasium.Wrapper):
    """Passes on what was promised, and refuses the rest."""

    def __init__(self, env: Any, name: str, blind: str | None = None) -> None:
        """blind: why the environment could not be made with a picture of itself, if it could not."""
        super().__init__(env)
        self._name, self._blind = name, blind
        self._seed: int | None = None
        self._steps = 0
        self._require_reset()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._seed, self._steps = self._seed if seed is None else seed, 0
        result = asked(f"task.id={self._name}: reset", self.env.reset, seed=seed, options=options)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise self._broken(f"reset returned {_kind(result)}", RESET)
        seen, info = result
        return self._leaf(seen, self.observation_space, "reset"), self._info(info, "reset", RESET)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        result = asked(f"task.id={self._name}: step", self.env.step, action)
        self._steps += 1
        if not isinstance(result, tuple) or len(result) != 5:
            raise self._broken(f"step returned {_kind(result)}", STEP)
        seen, reward, terminated, truncated, info = result
        return (
            self._leaf(seen, self.observation_space, "step"),
            self._reward(reward),
            self._flag(terminated, "terminated"),
            self._flag(truncated, "truncated"),
            self._info(info, "step", STEP),
        )

    def render(self) -> np.ndarray:
        """[height, width, 3] uint8"""
        instead = (
            "install OpenGL (without a screen, set MUJOCO_GL=egl or osmesa), or choose task.observation=state, which "
            "needs none"
        )
        if self._blind is not None:
            raise UserError(f"task.id={self._name} cannot draw itself: {self._blind}; {instead}")
        try:
            frame = self.env.render()
        except NotImplementedError:
            frame = None
        except Exception as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"task.id={self._name} cannot draw itself: {told}; {instead}") from error
        if frame is None:
            raise UserError(f"task.id={self._name} has no render_mode rgb_array; set task.observation=state")
        if not isinstance(frame, np.ndarray) or frame.shape[2:] != (3,) or frame.dtype != np.uint8:
            what = f"an array {frame.shape} of {frame.dtype}" if isinstance(frame, np.ndarray) else _kind(frame)
            raise UserError(
                f"task.id={self._name}: render returned {what}; the contract is {RENDER}; set task.observation=state"
            )
        return frame

    def _require_reset(self) -> None:
        """UserError where some layer's `reset` does not take what it is asked."""
        layer: Any = self.env
        while layer is not None:
            takes = inspect.signature(layer.reset).parameters
            anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
            if missing := [name for name in ("seed", "options") if name not in takes and not anything]:
                raise UserError(
                    f"task.id={self._name}: reset of {type(layer).__name__} takes no {' and no '.join(missing)}; the "
                    f"contract is {RESET}, and all that is random follows from the seed"
                )
            layer = getattr(layer, "env", None) if isinstance(layer, gymnasium.Wrapper) else None

    def _leaf(self, seen: Any, space: spaces.Space[Any], where: str, name: str = "the observation") -> Any:
        """An observation whose every leaf that its space declares is an array of the shape declared."""
        if isinstance(space, spaces.Dict):
            if not isinstance(seen, Mapping):
                raise self._unlike(f"{where} returned {_kind(seen)} as {name}", space)
            if missing := [str(key) for key in space.spaces if key not in seen]:
                raise self._unlike(f"{name} of {where} lacks {', '.join(missing)}", space)
            inner = space.spaces.items()
            return {**seen, **{key: self._leaf(seen[key], at, where, f"{name}[{key!r}]") for key, at in inner}}
        if isinstance(space, spaces.Tuple):
            if not isinstance(seen, (tuple, list)) or len(seen) != len(space.spaces):
                raise self._unlike(f"{where} returned {_kind(seen)} as {name}", space)
            pairs = enumerate(zip(seen, space.spaces, strict=True))
            return tuple(self._leaf(part, at, where, f"{name}[{i}]") for i, (part, at) in pairs)
        assert isinstance(space, spaces.Box)  # others were refused before
        return self._numbers(seen, space, where, name)

    def _numbers(self, seen: Any, space: spaces.Box, where: str, name: str) -> np.ndarray:
        found = _array(seen)
        if found.dtype.kind not in NUMBERS:
            raise self._unlike(f"{where} returned {_kind(seen)} as {name}", space)
        if found.shape != space.shape:
            raise self._unlike(f"{name} of {where} has shape {found.shape}", space)
        kept = space.dtype
        largest = float(np.finfo(np.float16).max) if kept == np.float16 else LARGEST
        if found.dtype.kind == "f" and not np.abs(found).max(initial=0.0) <= largest:
            raise self._not_finite(f"{name} of {where}")
        if kept.kind in "iub" and found.dtype != kept and not np.array_equal(found.astype(kept), found):
            raise self._unlike(f"{name} of {where} holds numbers of {found.dtype} that {kept} cannot", space)
        return found

    def _reward(self, reward: Any) -> float:
        found = _array(reward)
        if found.dtype.kind not in NUMBERS:
            raise self._broken(f"step returned {_kind(reward)} as its reward", f"{STEP} with a number as reward")
        if found.size != 1:
            raise self._broken(
                f"step returned a reward of shape {found.shape}, and the lab plans for one number",
                f"{STEP} with a number as reward; weigh the parts in a wrapper (mo_gymnasium has LinearReward)",
            )
        value = float(found.item())
        if not abs(value) <= LARGEST:
            raise self._not_finite("the reward")
        return value

    def _flag(self, value: Any, name: str) -> bool:
        found = _array(value)
        if found.dtype.kind not in "iub" or found.size != 1:
            raise self._broken(f"step returned {_kind(value)} as {name}", f"{STEP} with True or False as {name}")
        return bool(found.item())

    def _info(self, info: Any, where: str, contract: str) -> dict[str, Any]:
        if not isinstance(info, Mapping):
            raise self._broken(
                f"{where} returned {_kind(info)} as info", f"{contract} with a dictionary, perhaps empty"
            )
        return dict(info)

    def _broken(self, what: str, contract: str) -> UserError:
        return UserError(f"task.id={self._name}: {what}{self._when()}; the contract is {contract}")

    def _unlike(self, what: str, space: spaces.Space[Any]) -> UserError:
        return self._broken(what, f"its observation_space, {space}")

    def _not_finite(self, what: str) -> UserError:
        return UserError(
            f"task.id={self._name}: {what} is not a finite number{self._when()}; what an environment returns must fit "
            f"single precision, up to {LARGEST:.2g}"
        )

    def _when(self) -> str:
        return f" after {self._steps} steps of the episode with seed {self._seed}"


def _array(value: Any) -> np.ndarray:
    """What NumPy makes of a value; of objects where it makes nothing of it."""
    try:
        return np.asarray(value)
    except Exception:  # a list whose rows differ in length, a tensor on a GPU
        return np.asarray(None)


def _kind(value: Any) -> str:
    """What a value is, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, tuple | list):
        return f"{len(value)} values" if isinstance(value, tuple) else f"a list of {len(value)}"
    return f"a {type(value).__name__}"
