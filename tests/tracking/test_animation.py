"""GIFs hold the frames that went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from wm_lab.tracking import write_gif


def test_a_gif_gives_its_frames_and_its_speed_back(tmp_path: Path) -> None:
    frames = np.zeros((4, 6, 8, 3), np.uint8)
    frames[1, :, :4], frames[2, :, 4:], frames[3] = (255, 0, 0), (0, 255, 0), 255
    with Image.open(write_gif(tmp_path / "new" / "film.gif", frames, fps=20, scale=2)) as film:
        assert film.info["duration"] == 50
        read = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert np.array_equal(read, frames.repeat(2, axis=1).repeat(2, axis=2))


@pytest.mark.parametrize(
    "frames", [np.zeros((4, 6, 8, 3)), np.zeros((6, 8, 3), np.uint8), np.zeros((0, 6, 8, 3), np.uint8)]
)
def test_anything_but_uint8_frames_is_refused(tmp_path: Path, frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[T, H, W, 3\] uint8"):
        write_gif(tmp_path / "film.gif", frames)
