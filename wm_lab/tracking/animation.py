"""Short videos without a codec: animated GIFs, which every browser and Weights & Biases show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_gif(path: Path | str, frames: np.ndarray, fps: float = 20.0, scale: int = 1) -> Path:
    """Write frames [T, H, W, 3] uint8 as an endless GIF.

    scale: each pixel becomes scale × scale, so that 64×64 observations can be seen
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(f"frames must be [T, H, W, 3] uint8, found {list(frames.shape)} {frames.dtype}")
    frames = frames.repeat(scale, axis=1).repeat(scale, axis=2)
    first, *rest = [Image.fromarray(frame) for frame in frames]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    first.save(path, format="GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return path
