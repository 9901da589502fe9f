"""What is drawn over a picture of a task: the ghost of another state, and lines through space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PICTURE_SIZE = (320, 240)
"""Width and height of pictures for people, in pixels."""

RAYS = "rays"
"""Who draws them unless told otherwise: cast rays, without any GL library."""

STILL = 2e-3  # m, what moves less leaves no line
FINER = 3  # times the picture's size, in which lines are drawn


class Line(NamedTuple):
    """A way through space, with a dot at its end; a single point is a dot alone."""

    points: np.ndarray  # [N, 3] m
    color: tuple[float, float, float] = (1.0, 0.9, 0.2)  # RGB in [0, 1]


class Overlay(NamedTuple):
    """Over the truth: another state of the task, translucent, and lines."""

    ghost: np.ndarray | None = None  # [D]
    lines: Sequence[Line] = ()


NOTHING = Overlay()


def draw_lines(picture: np.ndarray, lines: Sequence[Line], places: Sequence[np.ndarray]) -> np.ndarray:
    """A copy of the picture [H, W, 3] uint8 with lines in front of everything.

    places: where the points of each line stand, [N, 2] in fractions of width and height; NaN behind the camera
    """
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    drawn = Image.fromarray(picture)
    for line, at in zip(lines, places, strict=True):
        if not np.isfinite(at).all() or (len(at) > 1 and np.ptp(line.points, axis=0).max() < STILL):
            continue
        cover = Image.new("L", (FINER * width, FINER * height))
        draw, thick = ImageDraw.Draw(cover), FINER * max(1.0, height / 130)
        spots = [tuple(spot) for spot in (FINER * at * (width, height)).tolist()]
        draw.line(spots, fill=230, width=round(thick), joint="curve")
        (x, y), radius = spots[-1], (1.6 if len(spots) > 1 else 2.5) * thick
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        ink = tuple(round(255 * part) for part in line.color)
        drawn.paste(ink, (0, 0), cover.resize((width, height), Image.Resampling.BOX))
    return np.asarray(drawn)
