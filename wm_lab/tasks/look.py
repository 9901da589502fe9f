"""How the visual factors of variation change a picture: its colours, its light, and where it is seen from."""

from __future__ import annotations

import numpy as np

from wm_lab.tasks.variation import Factors


def paint(image: np.ndarray, factors: Factors) -> np.ndarray:
    """RGB [..., 3] in [0, 255] with its colours turned around grey, in this light; greys stay grey."""
    turned: np.ndarray = np.clip(
        image @ _around(np.ones(3), factors.hue).T.astype(image.dtype) * factors.light, 0.0, 255.0
    )
    return turned


def place(
    position: np.ndarray, rotation: np.ndarray, fovy: float, centre: np.ndarray, factors: Factors
) -> tuple[np.ndarray, np.ndarray, float]:
    """A camera's position [3], axes [3, 3] and field of view (degrees), gone around what it looks at.

    That is the point on its line of sight which is nearest to `centre` [3], the middle of the scene.
    """
    ahead = -rotation[:, 2]
    target = position + ahead * (ahead @ (centre - position))
    turn = _around(np.array([0.0, 0.0, 1.0]), factors.turn)
    return target + turn @ (position - target), turn @ rotation, fovy * factors.zoom


def _around(axis: np.ndarray, degrees: float) -> np.ndarray:
    """The rotation [3, 3] around an axis [3] (Rodrigues' formula)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.deg2rad(degrees)
    rotation: np.ndarray = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return rotation
