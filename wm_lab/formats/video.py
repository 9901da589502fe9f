"""Frames of an mp4 by number, read forward, and frames written to one (PyAV, which brings its own FFmpeg)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.files import shortened
from wm_lab.formats.source import need

RATE = 0.01
"""Relative difference from which on a video's frame rate is another than the dataset's; files round theirs."""

OFF_BEAT = 0.25
"""Of a frame's duration: how far from its place in time a frame may lie."""

LARGEST = 4096
"""Of a video's sides, in pixels: one frame of that size fills 48 MiB."""

CODEC = "h264"
OPTIONS = {"crf": "18", "g": "2", "bf": "0"}
"""Visually lossless; a key frame every second frame, as LeRobot writes them, so that any frame is found at once."""


class VideoReader:
    """Reads stretches of frames; those that follow one another cost no seek."""

    def __init__(self, path: Path, fps: float, size: int | None = None) -> None:
        """size: side of the square that frames are brought to (None: as they are)."""
        self.path, self.fps, self.size = path, fps, size
        self._av = need("av", "lerobot", f"the video {path}")
        if not path.exists():
            raise UserError(f"the video {path} is missing; copy the dataset again")
        try:
            # As mp4 and nothing else: FFmpeg knows formats that are lists of other files.
            self._container = self._av.open(str(path.resolve()), format="mp4")
            self._stream = self._container.streams.video[0]
        except (self._av.FFmpegError, IndexError, ValueError) as error:
            raise self._damaged(str(error)) from None
        codec = self._stream.codec_context
        if codec is None:
            raise self._damaged("its codec is unknown")
        if max(codec.width, codec.height) > LARGEST:
            raise UserError(
                f"the video {path} has frames of {codec.height} × {codec.width} pixels, where {LARGEST} are the most; "
                "record or resample it smaller"
            )
        self._stream.thread_type = "SLICE"
        rate = self._stream.average_rate
        if rate is not None and abs(float(rate) / fps - 1) > RATE:
            raise UserError(
                f"the video {path} runs at {float(rate):g} frames a second, its dataset at {fps:g}; record or resample "
                "all of it at one rate"
            )
        self._next, self._frames = 0, self._decode()

    def read(self, first: int, count: int) -> np.ndarray:
        """Frames first to first + count, [count, H, W, 3] uint8."""
        if 0 < self._stream.frames < first + count:
            raise self._damaged(f"it ends after {self._stream.frames} frames, {first + count} are asked for")
        if first != self._next:
            self._seek(first)
        images: np.ndarray | None = None
        for i in range(count):
            image = next(self._frames, None)
            if image is None:
                raise self._damaged(f"it ends after {self._next} frames, {first + count} are asked for")
            if images is None:
                images = np.empty((count, *image.shape), np.uint8)
            if image.shape != images.shape[1:]:
                raise self._damaged(f"its frames change their size after {self._next}")
            images[i] = image
            self._next += 1
        assert images is not None
        return images

    def close(self) -> None:
        self._container.close()

    def _seek(self, frame: int) -> None:
        base = self._stream.time_base
        try:
            self._container.seek(max(round(frame / self.fps / base) - 1, 0), stream=self._stream)
        except self._av.FFmpegError as error:
            raise self._damaged(str(error)) from None
        self._next, self._frames = frame, self._decode()

    def _decode(self) -> Iterator[np.ndarray]:
        """Images from frame `_next` on; those before it, back to the key frame, are only decoded."""
        options: dict[str, Any] = {"format": "rgb24"}
        if self.size is not None:
            options |= {"width": self.size, "height": self.size, "interpolation": "AREA"}
        try:
            for frame in self._container.decode(self._stream):
                if frame.pts is None:
                    raise self._damaged("a frame has no time")
                place = float(frame.pts * frame.time_base) * self.fps
                if place < self._next - 0.5:
                    continue
                if abs(place - self._next) > OFF_BEAT:
                    raise UserError(
                        f"frame {self._next} of the video {self.path} stands at {place / self.fps:.3f} s instead of "
                        f"{self._next / self.fps:.3f} s; record or resample all of it at {self.fps:g} frames a second"
                    )
                yield frame.to_ndarray(**options)
        except (self._av.FFmpegError, ValueError, MemoryError) as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, why: str) -> UserError:
        return UserError(f"the video {self.path} is damaged ({shortened(why)}); copy the dataset again")


class VideoWriter:
    """One mp4, in H.264 that everybody plays."""

    def __init__(self, path: Path, fps: float, height: int, width: int) -> None:
        av = need("av", "lerobot", "writing videos")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames = path, 0
        self._av, self._container = av, av.open(str(path), "w")
        self._stream = self._container.add_stream(CODEC, rate=Fraction(fps).limit_denominator(1001), options=OPTIONS)
        self._stream.height, self._stream.width, self._stream.pix_fmt = height, width, pixel_format(height, width)

    def write(self, images: np.ndarray) -> None:
        """Append frames [n, H, W, 3] uint8."""
        for image in images:
            frame = self._av.VideoFrame.from_ndarray(image, format="rgb24")
            self._container.mux(self._stream.encode(frame))
        self.frames += len(images)

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def pixel_format(height: int, width: int) -> str:
    """Colour at half resolution, which every player knows; it wants even sides."""
    return "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
