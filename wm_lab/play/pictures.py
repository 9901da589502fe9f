"""What either side looks like: the simulator as its task renders it, the dream as the model decodes it."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from wm_lab.play.session import PlaySession
from wm_lab.tasks.simulator import SimulatorState
from wm_lab.tasks.task import Task, Variable

HEIGHTS = (288, 216, 168, 120, 84)
"""Of pictures, in pixels: smaller ones where drawing takes too much of a step's time."""

SLOW, QUICK = 0.6, 0.3
"""Shares of a step's time that drawing takes: above the first pictures become smaller, below the second larger."""

PATIENCE = 5
"""Steps between two changes of size."""

QUALITY = 90  # of JPEG, of 100
PAPER, INK = (238, 240, 243), (60, 66, 74)
DOTS = ((224, 62, 62), (46, 160, 67), (46, 110, 220), (170, 90, 210), (210, 140, 30), (20, 160, 170))
GOAL = (255, 105, 255)


class Pictures:
    """Draws a session; of a task that cannot be drawn nothing is shown but a plan of where things are.

    make_task: a second one like the session's, in which a decoded state is posed; made only where it is needed
    """

    def __init__(self, session: PlaySession, make_task: Callable[[], Task]) -> None:
        self._session, self._height = session, HEIGHTS[len(HEIGHTS) // 2]
        task = session.task
        self._drawable = task.render_mode == "rgb_array"
        self._plan = PlanLines(task)
        self._share, self._steps = QUICK, 0  # of a step's time, smoothed; steps since the last change
        shapes = session.dream.seen
        self._image = next((key for key, value in shapes.items() if value.ndim == 3), None)
        self._stage: Task | None = None
        if self._image is None and "state" in shapes and self._drawable:
            self._stage = self._posing(make_task)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the next pictures: square where the model's own are."""
        return self._height if self._image is not None else self._height * 4 // 3, self._height

    @property
    def manner(self) -> str:
        """How the dream is drawn, in words."""
        if self._image is not None:
            return "pictures that the model decodes"
        if self._stage is not None:
            return "the simulator draws the state that the model decodes"
        return "a plan of the places that the model decodes, seen from above"

    def truth(self) -> np.ndarray:
        """[height, width, 3] uint8; of what is observed as a picture, that picture."""
        if self._image is not None and self._image in self._session.seen:
            return _fit(self._session.seen[self._image], self.size)
        if not self._drawable:
            return self._plan.draw(self.size, self._session.seen["state"])
        return _fit(np.asarray(self._session.task.render(self.size)), self.size)

    def dream(self) -> np.ndarray:
        """[height, width, 3] uint8"""
        seen = self._session.dream.seen
        if self._image is not None:
            return _fit(np.rint(seen[self._image]).clip(0, 255).astype(np.uint8), self.size)
        if self._stage is not None:
            self._stage.restore(self._looks_like(self._stage))
            return np.asarray(self._stage.render(self.size))
        if "state" in seen:
            return self._plan.draw(self.size, seen["state"], self._session.seen["state"])
        return _graph(next(iter(seen.values())), self.size)

    def took(self, share: float) -> None:
        """Drawing took this share of the time there is for a step: adapts the size of the next pictures."""
        self._share += 0.2 * (share - self._share)
        self._steps += 1
        place = HEIGHTS.index(self._height) + (self._share > SLOW) - (self._share < QUICK)
        if self._steps >= PATIENCE and 0 <= place < len(HEIGHTS) and HEIGHTS[place] != self._height:
            self._height, self._steps = HEIGHTS[place], 0

    def _posing(self, make_task: Callable[[], Task]) -> Task | None:
        stage = make_task()
        stage.renderer = self._session.task.renderer
        try:
            self._looks_like(stage)
        except LookupError:
            return None
        return stage

    def _looks_like(self, stage: Task) -> np.ndarray:
        """A snapshot of what is dreamt: the simulator's own dream is one."""
        dream = self._session.dream
        if isinstance(dream.belief, SimulatorState):
            return dream.belief.snapshot[0].cpu().numpy()
        return stage.snapshot_like(dream.seen["state"].astype(np.float64))


class PlanLines:
    """Named places of a state, seen from above: dots, with what is true behind them in grey."""

    def __init__(self, task: Task) -> None:
        self._places = [v for v in task.task_spec.variables if v.unit == "m" and v.stop - v.start in (2, 3)]
        self._low = np.full(2, np.inf)
        self._high = np.full(2, -np.inf)

    def draw(self, size: tuple[int, int], state: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
        """[height, width, 3] uint8 of a state [D]; size: (width, height)."""
        self._width, self._height = size
        if not self._places:
            return _graph(state, size)
        self._widen(state if truth is None else truth)
        image = Image.new("RGB", size, PAPER)
        pen = ImageDraw.Draw(image)
        for shade, values in ((True, truth), (False, state)):
            if values is not None:
                for number, place in enumerate(self._places):
                    self._dot(pen, values, place, None if shade else number)
        return np.asarray(image)

    def _dot(self, pen: ImageDraw.ImageDraw, values: np.ndarray, place: Variable, number: int | None) -> None:
        """number: which colour; None: grey, of the truth"""
        x, y = self._at(values[place.slice][:2])
        r = self._height / 32
        goal = place.name == "goal"
        color = (190, 194, 200) if number is None else GOAL if goal else DOTS[number % len(DOTS)]
        pen.ellipse((x - r, y - r, x + r, y + r), outline=color, width=3, fill=None if goal else color)
        if number is not None:
            pen.text((x + r + 2, y - r), place.name, fill=INK)

    def _widen(self, state: np.ndarray) -> None:
        points = np.stack([state[place.slice][:2] for place in self._places])
        self._low, self._high = np.minimum(self._low, points.min(0)), np.maximum(self._high, points.max(0))

    def _at(self, point: np.ndarray) -> tuple[float, float]:
        """Pixel (x, y) of a place (m), the same scale both ways."""
        middle, room = (self._low + self._high) / 2, max(0.2, 1.4 * float((self._high - self._low).max()))
        x, y = 0.5 + (point - middle) / room
        return self._width / 2 + float(x - 0.5) * self._height, float((1 - y) * self._height)


def jpeg(image: np.ndarray) -> bytes:
    """An image [H, W, 3] uint8 as a file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def _fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture of any size as one of this (width, height)."""
    if image.shape[:2] == size[::-1]:
        return image
    return np.asarray(Image.fromarray(image[..., :3]).resize(size, Image.Resampling.BICUBIC))


def _graph(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Numbers that no picture can be made of, as bars."""
    image = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(image)
    most = max(1e-6, float(np.abs(values).max()))
    width, middle = size[0] / max(1, len(values)), size[1] / 2
    for place, value in enumerate(values / most):
        top, bottom = sorted((middle, middle * (1 - 0.9 * value)))
        pen.rectangle((place * width, top, (place + 1) * width - 1, bottom), fill=DOTS[2])
    return np.asarray(image)
