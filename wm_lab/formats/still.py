"""Single images: out of their files, and to a size."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.files import file_in, shortened

KINDS = ("PNG", "JPEG", "WEBP")
"""What is decoded; Pillow knows others that run programs."""

LARGEST = 4096
"""Of an image's sides, in pixels: one of that size fills 48 MiB."""

DEEP = ("I", "F")
"""How Pillow's names of pictures with more than 8 bits begin: depth, which as colours would be wrong."""


def decoded(entries: Iterable[Any], folder: Path, name: str, side: int | None) -> np.ndarray:
    """[n, H, W, 3] uint8 of a column of images, each kept as the bytes of a file or under a path in `folder`.

    side: of the square that they are brought to; None: as they are. Unreadable names the frame that is none, or of
    another size than the first.
    """
    images: list[np.ndarray] = []
    for frame, entry in enumerate(entries):
        image = resized(_decoded(entry, folder, f"{name} in frame {frame}")[None], side)[0]
        if images and image.shape != images[0].shape:
            raise Unreadable(
                f"has {name} of {image.shape[0]} × {image.shape[1]} pixels in frame {frame} and of "
                f"{images[0].shape[0]} × {images[0].shape[1]} before; bring them to one size with --image-size"
            )
        images.append(image)
    return np.stack(images)


def resized(images: np.ndarray, side: int | None) -> np.ndarray:
    """[n, H, W, 3] uint8 -> [n, side, side, 3]; None, or that size already: as they are."""
    if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise Unreadable(f"has {images.dtype} {list(images.shape[1:])} in place of RGB images")
    if side is None or images.shape[1:3] == (side, side):
        return images
    from PIL import Image

    # BOX averages what falls into a pixel, as a camera with fewer pixels would.
    return np.stack([np.asarray(Image.fromarray(i).resize((side, side), Image.Resampling.BOX)) for i in images])


def _decoded(entry: Any, folder: Path, name: str) -> np.ndarray:
    """[H, W, 3] uint8"""
    from PIL import Image

    content, path = (entry.get("bytes"), entry.get("path")) if isinstance(entry, dict) else (entry, None)
    if content is None and isinstance(path, str) and path:
        try:
            content = file_in(folder, path).read_bytes()
        except UserError as error:
            raise Unreadable(f"keeps {name} as a file of its own: {error}") from None
    if content is None:
        raise Unreadable(f"has no image of {name}")
    if not isinstance(content, bytes):
        raise Unreadable(f"has {name} as {type(content).__name__} and not as the bytes of an image file")
    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as image:
            if max(image.size) > LARGEST:
                raise Unreadable(
                    f"has {name} of {image.size[0]} × {image.size[1]} pixels, where {LARGEST} are the most"
                )
            if image.mode.startswith(DEEP):
                raise Unreadable(f"has {name} in more than 8 bits (depth?); leave that camera out with --keys")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        why = "it is neither PNG, JPEG nor WebP" if "cannot identify" in str(error) else shortened(error)
        raise Unreadable(f"has a damaged image of {name} ({why})") from None
