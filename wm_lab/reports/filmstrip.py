"""Imagination as pictures: truth, imagined and difference step by step, and side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

ZOOM = 96
"""Pixels of a shown frame's longer side at least; small frames are enlarged by whole factors, so pixels stay square."""

GAP, LABEL, HEAD = 4, 78, 18
"""Pixels between frames, of the row labels' column and of the step numbers' row."""

FPS = 20.0
"""Frames a second of a clip where nothing else is said."""

INK, QUIET, PAPER = (31, 36, 48), (107, 114, 128), (255, 255, 255)


def filmstrip(
    truth: np.ndarray, imagined: np.ndarray, *, steps: Sequence[int] | None = None, context: int = 0
) -> Image:
    """Rows truth / imagined / difference, columns steps.

    truth, imagined: [T, H, W, 3] (or [T, H, W] for one channel), values in [0, 255], float or uint8.
    steps: the columns' indices into T, all by default. context: how many of the T frames were observed, not imagined;
    they count 1-context..0, so that imagined steps begin at 1. The difference is signed: grey is none, brighter or
    darker is where the imagination is too bright or too dark.
    """
    if truth.shape != imagined.shape:
        raise ValueError(f"truth {truth.shape} and imagination {imagined.shape} differ in shape")
    chosen = list(range(len(truth))) if steps is None else list(steps)
    true, dreamt = _rgb(truth)[chosen], _rgb(imagined)[chosen]
    rows = {
        "truth": true,
        "imagined": dreamt,
        "difference": np.clip(128 + (dreamt.astype(int) - true), 0, 255).astype(np.uint8),
    }
    return grid(rows, [str(i + 1 - context) for i in chosen])


def grid(rows: Mapping[str, np.ndarray], heads: Sequence[str]) -> Image:
    """Labelled rows of uint8 frames [T, H, W, 3] under column heads [T]."""
    from PIL import Image, ImageDraw

    frames = {name: _enlarge(row) for name, row in rows.items()}
    count, height, width = next(iter(frames.values())).shape[:3]
    size = (LABEL + count * (width + GAP), HEAD + len(frames) * (height + GAP))
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    for t, head in enumerate(heads):
        _text(draw, (LABEL + t * (width + GAP) + width // 2, HEAD // 2), head, QUIET, "mm")
    for r, (name, row) in enumerate(frames.items()):
        top = HEAD + r * (height + GAP)
        _text(draw, (LABEL - 8, top + height // 2), name, INK, "rm")
        for t, frame in enumerate(row):
            picture.paste(Image.fromarray(frame), (LABEL + t * (width + GAP), top))
    return picture


def side_by_side(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Clips [T, H, W, 3] of one length beside each other: [T, H', W', 3] uint8, enlarged as in a filmstrip."""
    shown = [_enlarge(_rgb(column)) for column in columns]
    gap = np.full((*shown[0].shape[:2], GAP, 3), 255, np.uint8)
    parts = [part for column in shown for part in (column, gap)][:-1]
    return np.concatenate(parts, axis=2)


def save_png(picture: Image, path: Path | str) -> Path:
    """Write a picture as PNG under a temporary name first."""
    path = Path(path)
    temporary = _temporary(path)
    picture.save(temporary, "PNG", optimize=True)
    temporary.replace(path)
    return path


def _rgb(frames: np.ndarray) -> np.ndarray:
    """Frames in [0, 255] as uint8 [T, H, W, 3]; what is not a number is black."""
    whole = np.nan_to_num(np.asarray(frames, float), nan=0.0, posinf=255.0, neginf=0.0)
    pixels = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def _enlarge(frames: np.ndarray) -> np.ndarray:
    factor = max(1, -(-ZOOM // max(frames.shape[1:3])))
    return frames.repeat(factor, axis=1).repeat(factor, axis=2)


def _text(draw: ImageDraw, place: tuple[int, int], text: str, colour: tuple[int, int, int], anchor: str) -> None:
    from PIL import ImageFont

    draw.text(place, text, fill=colour, font=ImageFont.load_default(size=12), anchor=anchor)


def _temporary(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.tmp")
