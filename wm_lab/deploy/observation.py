"""Whether an observation is like those that a model was trained on: keys, shapes, types, units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wm_lab.errors import UserError
from wm_lab.policy import GOAL
from wm_lab.world_model import DataSpec

IMAGE_AXES = 3

FAR = 50.0
"""Of a number's scale in the data (its spread, its size, or the median spread of its vector), beyond which it is in
another unit: degrees are 57 radians, millimetres 1000 metres, and what a robot does is within some."""


class Checked:
    """One robot's observation as a batch of one, {key: [1, ...]}; UserError says what is wrong with it."""

    def __init__(self, spec: DataSpec, keys: Sequence[str]) -> None:
        self.keys, self.spec = tuple(keys), spec
        read = {key.removeprefix(GOAL) for key in self.keys}
        self._bounds = {key: _bounds(spec, key) for key in read if key in spec.mean and _is_vector(spec, key)}

    def __call__(self, observation: Mapping[str, np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """{key: [1, ...]}; an array alone is what a single key names, as a Gymnasium environment returns it."""
        if isinstance(observation, np.ndarray) and len(self.keys) == 1:
            observation = {self.keys[0]: observation}
        if not isinstance(observation, Mapping):
            raise UserError(
                f"an observation is a dictionary of arrays with the keys {', '.join(self.keys)}, and not a "
                f"{type(observation).__name__}"
            )
        return {key: self.one(key, observation)[None] for key in self.keys}

    def one(self, key: str, observation: Mapping[str, np.ndarray]) -> np.ndarray:
        """An observed array, or that of a goal, as the model reads it; any number of steps may lead."""
        if key not in observation:
            raise UserError(f"the observation lacks {key!r}; it has {', '.join(map(repr, observation)) or 'nothing'}")
        value, shape = np.asarray(observation[key]), self.spec.observation[key.removeprefix(GOAL)]
        if value.shape[-len(shape) :] != tuple(shape) or value.ndim != len(shape):
            raise UserError(f"{key!r} has shape {list(value.shape)}, where the model was trained on {list(shape)}")
        return self.typed(key.removeprefix(GOAL), value)

    def typed(self, key: str, value: np.ndarray) -> np.ndarray:
        """Values [..., *shape] in the model's type, checked for sense."""
        if not _is_vector(self.spec, key):
            if value.dtype != np.uint8:
                raise UserError(
                    f"{key!r} is an image of {value.dtype}, where the model was trained on uint8 in 0 to 255"
                )
            return value
        if value.dtype.kind not in "fiu":
            raise UserError(f"{key!r} is of {value.dtype}, where the model was trained on float32 numbers")
        value = value.astype(np.float32)
        if not np.isfinite(value).all():
            raise UserError(f"{key!r} holds a number that is not finite, at {_place(~np.isfinite(value))}")
        if key in self._bounds:
            mean, reach = self._bounds[key]
            far = np.abs(value - mean) > reach
            if far.any():
                at = _place(far)
                raise UserError(
                    f"{key}[{at}] is {value.reshape(-1, len(mean))[:, at].max():.4g}, where the model was trained on "
                    f"{mean[at]:.3g} ± {self.spec.std[key][at]:.2g}; give it in the units of the data"
                )
        return value


def _is_vector(spec: DataSpec, key: str) -> bool:
    return len(spec.observation[key]) != IMAGE_AXES


def _bounds(spec: DataSpec, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each number, and how far it may lie from there, [D] each."""
    mean, std = np.array(spec.mean[key]), np.array(spec.std[key])
    return mean, FAR * np.maximum(np.maximum(std, np.abs(mean)), np.median(std))


def _place(where: np.ndarray) -> int:
    """The first dimension of a vector in which something holds."""
    return int(np.flatnonzero(where.reshape(-1, where.shape[-1]).any(0))[0])
