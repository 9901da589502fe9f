"""Single images: out of their files, and to a size."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np


def decoded(files: Iterable[bytes]) -> np.ndarray:
    """[n, H, W, 3] uint8 of as many PNG or JPEG files."""
    from PIL import Image

    return np.stack([np.asarray(Image.open(io.BytesIO(content)).convert("RGB")) for content in files])


def resized(images: np.ndarray, side: int | None) -> np.ndarray:
    """[n, H, W, 3] uint8 -> [n, side, side, 3]; None, or that size already: as they are."""
    if side is None or images.shape[1:3] == (side, side):
        return images
    from PIL import Image

    # BOX averages what falls into a pixel, as a camera with fewer pixels would.
    return np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BOX)) for i in images])
