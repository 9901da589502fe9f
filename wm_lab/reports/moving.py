"""Moving pictures in one small file: animated WebP, or GIF where Pillow cannot write it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import numpy as np

QUALITY, METHOD = 62, 3  # of WebP: what a flat scene needs, and half the time of the best packing
INK = (31, 36, 48)
HOLD = 1200  # ms, for which the last frame stays


class Clip(NamedTuple):
    """A moving picture of a report."""

    name: str  # "mpc solved"
    path: Path
    caption: str
    alt: str  # what is seen, for whoever does not see it
    readings: tuple[str, ...] = ()  # how such clips are read, said once for all of them


def writes_webp() -> bool:
    """Whether this Pillow was built with WebP."""
    from PIL import Image

    Image.init()
    return "WEBP" in Image.SAVE_ALL


def save_moving(frames: Sequence[np.ndarray], path: Path, milliseconds: float) -> Path:
    """Write frames [H, W, 3] uint8 that repeat endlessly, as `path` with the extension of what it became."""
    from PIL import Image

    webp = writes_webp()
    path = path.with_suffix(".webp" if webp else ".gif")
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    durations = [round(milliseconds)] * (len(frames) - 1) + [HOLD]
    packing = {"quality": QUALITY, "method": METHOD} if webp else {}
    temporary = path.with_name(f".{path.name}.tmp")
    kind = "WEBP" if webp else "GIF"
    first.save(temporary, kind, save_all=True, append_images=rest, duration=durations, loop=0, **packing)
    temporary.replace(path)
    return path


def as_gif(path: Path, folder: Path) -> Path:
    """The same moving picture as a GIF in `folder`, for whoever takes no WebP."""
    from PIL import Image, ImageSequence

    with Image.open(path) as moving:
        frames, durations = [], []
        for frame in ImageSequence.Iterator(moving):
            frames.append(frame.convert("RGB"))
            durations.append(frame.info.get("duration", 50))
    written = folder / f"{path.stem}.gif"
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return written


def titled(frame: np.ndarray, text: str, good: bool | None = None, said: str = "") -> np.ndarray:
    """A copy of a frame with a line of text in its upper left corner; `good` colours it green or red.

    said: what the robot was told, in quotation marks at the lower edge, in as many lines as it takes
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(frame)
    draw, font = ImageDraw.Draw(picture, "RGBA"), ImageFont.load_default(size=max(11, frame.shape[0] // 15))

    def write(text: str, anchor: str, y: int, ink: tuple[int, int, int]) -> None:
        left, top, right, bottom = draw.textbbox((6, y), text, font=font, anchor=anchor)
        draw.rectangle((left - 4, top - 3, right + 4, bottom + 3), fill=(255, 255, 255, 200))
        draw.text((6, y), text, fill=ink, font=font, anchor=anchor)

    write(text, "la", 4, {None: INK, True: (20, 110, 50), False: (170, 30, 30)}[good])
    if said:
        letters = max(8, int((frame.shape[1] - 12) / (draw.textlength(said, font=font) / len(said))))
        line = draw.textbbox((0, 0), said, font=font)[3] + 4
        for number, part in enumerate(reversed(wrap(said, letters))):
            write(part, "ld", frame.shape[0] - 4 - number * line, INK)
    return np.asarray(picture)
