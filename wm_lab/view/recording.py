"""A Rerun recording (.rrd): sequences of steps, one behind the other on the timeline `step`.

    with RerunRecording(path, "hand/push") as recording:
        recording.sequence("episode 0", {"state/tcp": Numbers(tcp), "world/tcp": Points(tcp)})

Shapes: T steps of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from wm_lab.tasks.extras import need

WHO = "Rerun recordings"
QUALITY = 85  # of JPEG, a twentieth of the pixels' size
RADIUS = 0.01  # metres of a point

COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167), (213, 94, 0), (0, 114, 178))
"""Of points in the world, in the order in which they first appear (Okabe and Ito)."""


class Numbers(NamedTuple):
    """Curves over the steps."""

    values: np.ndarray  # [T, D]
    names: Sequence[str] = ()  # of each, as the legend has them


class Points(NamedTuple):
    """A point that moves."""

    at: np.ndarray  # [T, 3] m


class ImageSeries(NamedTuple):
    """A picture of every step."""

    frames: Sequence[np.ndarray]  # [T] of [H, W, 3] uint8


Shown = Numbers | Points | ImageSeries


class RerunRecording:
    """One file; written under another name until it is whole."""

    def __init__(self, path: Path, title: str) -> None:
        self._rerun = need("rerun", WHO, "view")
        self.path = path
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._stream = self._rerun.RecordingStream("wm_lab", recording_id=f"{title} {path.stem}")
        self._step = 0
        self._named: set[str] = set()  # curves whose legend is written
        self._colours: dict[str, tuple[int, int, int]] = {}  # of points

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._stream.save(str(self._temporary))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.disconnect()
        if kind is None:
            self._temporary.replace(self.path)
        else:
            self._temporary.unlink(missing_ok=True)

    def sequence(self, title: str, shown: Mapping[str, Shown]) -> None:
        """Append what is `shown`, {path in the viewer: ...}, behind what there is; the title stands at its first step.

        The world is cleared of what the sequence before it left there: the goal of another episode is none of this one.
        """
        rr, first = self._rerun, self._step
        self._stream.set_time("step", sequence=first)
        self._stream.log("world", rr.Clear(recursive=True))
        self._stream.log("sequence", rr.TextDocument(title))
        self._step += max((self._send(path, each, first) for path, each in shown.items()), default=0)

    def _send(self, path: str, shown: Shown, first: int) -> int:
        """Returns the steps that it reaches over."""
        rr = self._rerun
        if isinstance(shown, Numbers):
            values = np.asarray(shown.values, np.float64).reshape(len(shown.values), -1)  # [T, D]
            if path not in self._named and shown.names:
                self._stream.log(path, rr.SeriesLines(names=list(shown.names)), static=True)
                self._named.add(path)
            columns = rr.Scalars.columns(scalars=values.ravel()).partition([values.shape[1]] * len(values))
        elif isinstance(shown, Points):
            colour = self._colours.setdefault(path, COLOURS[len(self._colours) % len(COLOURS)])
            at = np.asarray(shown.at, np.float32)
            columns = rr.Points3D.columns(positions=at, colors=[colour] * len(at), radii=[RADIUS] * len(at))
        else:
            jpeg = [_jpeg(frame) for frame in shown.frames]
            columns = rr.EncodedImage.columns(blob=jpeg, media_type=["image/jpeg"] * len(jpeg))
        steps = len(shown[0])
        self._stream.send_columns(path, [rr.TimeColumn("step", sequence=range(first, first + steps))], columns)
        return steps


def _jpeg(frame: np.ndarray) -> bytes:
    from PIL import Image

    written = BytesIO()
    Image.fromarray(frame).save(written, "JPEG", quality=QUALITY)
    return written.getvalue()
