"""The table that a session is played at: what is pressed goes in, what is seen and said comes out; nothing of the web.

All but `rest` and `seconds` is called by one thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from wm_lab.data.config import EPISODE_SEEDS
from wm_lab.errors import UserError
from wm_lab.play import controls
from wm_lab.play.pictures import jpeg
from wm_lab.play.plans import Plans
from wm_lab.play.recording import Frame, add_episode, clip
from wm_lab.play.scene import Choices, Scene
from wm_lab.play.session import PERSON, Step
from wm_lab.reports.moving import writes_webp
from wm_lab.tasks.task import TaskSpec

log = logging.getLogger(__name__)

FASTEST = 20.0
"""Steps a second: of tasks that have more, the page shows slow motion."""

KEPT = 1200
"""Pictures that a clip can be made of: a minute."""

SPEEDS = (0.1, 1.0)

Told = dict[str, Any]
Shown = tuple[Told, bytes, bytes]
"""What is told of a moment, and both pictures."""


class PlayTable:
    """Holds a scene, the person's hand on the controls, and what was recorded.

    folder: the dataset that saved episodes are added to; clips lie beside it, and so do the datasets, with a number, of
    other tasks and observations that are chosen on the page
    """

    def __init__(self, scene: Scene, choices: Choices, folder: Path) -> None:
        self.folder, self._choices = folder, choices
        self._folders: dict[tuple[str, ...], Path] = {}  # by task and what it shows
        self.clips: dict[str, Path] = {}
        """Finished clips, by the name under which the page asks for them."""
        self._random = np.random.default_rng()
        self._news: SimpleQueue[Told] = SimpleQueue()  # of what other threads have finished
        self._speed = 1.0
        self._sit_down(scene)

    def hello(self) -> Told:
        """All that a page needs to know before it shows anything."""
        task, session = self._session.task.task_spec, self._session
        self._stamp = 0.0  # by the clock of the page that was there before
        return {
            "hello": {
                "task": task.name,
                "instruction": task.instruction,
                "model": self._scene.label,
                "manner": self._scene.pictures.manner,
                "shape": self._scene.pictures.size,
                "controls": controls.told(task),
                "drivers": [PERSON, *session.policies],
                "unit": session.gap.unit,
                "hz": self._hz,
                "limit": task.episode_steps,
                "planner": self._scene.settings.label("planner"),
                "playing": self._playing,
                "no plans": self._plans.why_not,
                **self._choices.told(),
            },
            "history": [_told(step) for step in session.steps],
            "state": self._state(),
        }

    @property
    def seconds(self) -> float:
        """Between two steps."""
        return 1.0 / (self._hz * self._speed)

    def rest(self) -> None:
        """Nobody is there: the session waits."""
        self._paused = True
        self._held = np.zeros(self._session.task.task_spec.action_size, np.float32)

    def tick(self) -> list[Told | Shown]:
        """One step, unless the session is paused."""
        news: list[Told | Shown] = []
        while not self._news.empty():
            news.append(self._news.get())
        if self._paused:
            return news
        answers = self._guarded(self._advance)
        if answers and "say" in answers[-1]:  # it failed, and would again
            self._paused = True
            answers.append({"state": self._state()})
        return news + answers

    def look(self) -> Shown:
        """Both sides as they are now."""
        session = self._session
        if session.steps:
            told = _told(session.steps[-1])
        else:
            told = {"number": 0, "success": False, "forked": False, "driver": session.driver}
        if not (session.forked and self._frames):  # where it waits, the simulator looks as it did
            self._left = jpeg(self._scene.pictures.truth())
        frame: Frame = self._left, jpeg(self._scene.pictures.dream())
        plan = self._plans.told() if session.shows_plans else None
        return told | {"stamp": self._stamp, "plan": plan, "milliseconds": self._milliseconds}, *frame

    def hear(self, message: Told) -> list[Told | Shown]:
        """Do what a page asks for; UserError where it asks for what there is not."""
        asked = self._asked.get(message["do"])
        if asked is None:
            raise UserError(f"the session does not know how to {message['do']!r:.40}")
        return self._guarded(asked, message)

    def close(self) -> str | None:
        """The session ends; what a person has played and not saved is kept, and said where."""
        drivers = self._session.truth.drivers
        if PERSON not in drivers or self._saved == len(drivers):
            return None
        folder = self.folder.with_name(f"{self.folder.name}-unsaved")
        count = add_episode(folder, self._session.truth.episode(), self._session.task.task_spec, self._driver_of())
        return f"what was played and not saved is in {folder} ({count} episode{'s' * (count > 1)})"

    # What a page can ask for

    def _sit_down(self, scene: Scene) -> None:
        self._scene, self._session = scene, scene.session
        self.folder = self._folder_of(scene.session.task.task_spec)
        self._plans = Plans(scene.planner, scene.session.task)
        self._hz = min(scene.session.task.task_spec.control_hz or FASTEST, FASTEST)
        self._playing = "" if scene.dynamics == "simulator" else scene.dynamics.parent.name
        self._held = np.zeros(scene.session.task.task_spec.action_size, np.float32)
        self._asked: dict[str, Callable[[Told], list[Told | Shown]]] = {
            "act": self._act,
            "reset": self._reset,
            "pause": self._pause,
            "step": self._step,
            "resynchronise": lambda _: self._seen_after(self._session.resynchronise),
            "fork": self._fork,
            "join": lambda _: self._seen_after(self._session.join),
            "drive": self._drive,
            "plans": self._show_plans,
            "speed": self._set_speed,
            "save": self._save,
            "clip": self._clip,
            "choose": self._choose,
        }
        self._begin(self._draw_seed())

    def _folder_of(self, spec: TaskSpec) -> Path:
        """One dataset holds one task, seen in one way."""
        first, number = next(iter(self._folders.values()), self.folder), len(self._folders) + 1
        other = first if number == 1 else first.with_name(f"{first.name}-{number}")
        return self._folders.setdefault((spec.name, *spec.observation), other)

    def _begin(self, seed: int) -> None:
        self._session.reset(seed)
        self._plans.forget()
        self._paused, self._saved = True, 0
        self._stamp, self._milliseconds = 0.0, 0.0
        self._frames: deque[Frame] = deque(maxlen=KEPT)
        self._keep(self.look())

    def _act(self, message: Told) -> list[Told | Shown]:
        held = np.array(message.get("action"), np.float32)
        self._held = self._session.checked(held)
        self._stamp = float(message.get("stamp", 0.0))
        return []

    def _reset(self, message: Told) -> list[Told | Shown]:
        self._begin(self._session.truth.seed if message.get("again") else self._draw_seed())
        return [{"history": [], "state": self._state()}, self.look()]

    def _pause(self, message: Told) -> list[Told | Shown]:
        self._paused = bool(message.get("on"))
        return [{"state": self._state()}]

    def _step(self, _: Told) -> list[Told | Shown]:
        self._paused = True
        return self._advance()

    def _fork(self, _: Told) -> list[Told | Shown]:
        try:
            return self._seen_after(self._session.fork)
        except UserError as error:  # whoever drives cannot see the dream
            self._session.drive(PERSON)
            return [{"say": str(error)}, *self._seen_after(self._session.fork)]

    def _drive(self, message: Told) -> list[Told | Shown]:
        self._session.drive(str(message.get("who")))
        return [{"state": self._state()}]

    def _show_plans(self, message: Told) -> list[Told | Shown]:
        if self._plans.why_not is not None:
            raise UserError(f"plans cannot be drawn: {self._plans.why_not}")
        self._session.shows_plans = bool(message.get("on"))
        self._plans.forget()
        return [{"state": self._state()}, self.look()]

    def _set_speed(self, message: Told) -> list[Told | Shown]:
        self._speed = float(np.clip(float(message.get("times", 1.0)), *SPEEDS))
        return [{"state": self._state()}]

    def _save(self, _: Told) -> list[Told | Shown]:
        truth, task_spec = self._session.truth, self._session.task.task_spec
        if truth.drivers and self._saved == len(truth.drivers):
            raise UserError("this episode is saved already")
        count = add_episode(self.folder, truth.episode(), task_spec, self._driver_of())
        self._saved = len(truth.drivers)
        solved = "solved" if any(truth.success) else "not solved"
        return [{"say": f"Saved an episode of {self._saved} steps, {solved}: {count} in {self.folder}"}]

    def _clip(self, _: Told) -> list[Told | Shown]:
        frames = list(self._frames)
        if len(frames) < 2:
            raise UserError("there is nothing to save yet; play some steps first")
        threading.Thread(target=self._encode, args=(frames, self._hz), daemon=True).start()
        return [{"say": f"Saving a clip of {len(frames)} pictures …"}]

    def _encode(self, frames: list[Frame], hz: float) -> None:
        try:
            content, kind = clip(frames, hz)
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            path = self.folder.parent / f"{self.folder.name}-{time.strftime('%H-%M-%S')}.{kind}"
            path.write_bytes(content)
            self.clips[path.name] = path
            without = "" if writes_webp() else " This Pillow writes no WebP, so it is a GIF."
            self._news.put({"say": f"Saved {path}.{without}", "clip": path.name})
        except (UserError, OSError, ValueError, MemoryError) as error:
            self._news.put({"say": f"The clip was not saved ({error}); the session goes on."})

    def _choose(self, message: Told) -> list[Told | Shown]:
        said: list[Told | Shown] = []
        try:
            self._sit_down(self._choices.scene(str(message.get("model", "")), str(message.get("planner", "cem"))))
        except UserError as error:
            said.append({"say": str(error)})
        return [self.hello(), self.look(), *said]

    # Steps

    def _advance(self) -> list[Told | Shown]:
        began = time.perf_counter()
        self._session.advance(self._held)
        stepped = time.perf_counter()
        shown = self.look()
        ended = time.perf_counter()
        self._milliseconds = round(1e3 * (ended - began), 1)
        self._scene.pictures.took((ended - stepped) * self._hz)
        self._keep(shown)
        if self._session.over and not self._session.forked:
            self._paused = True
            return [shown, {"state": self._state()}]
        return [shown]

    def _seen_after(self, change: Callable[[], None]) -> list[Told | Shown]:
        change()
        self._plans.forget()
        return [{"history": [_told(step) for step in self._session.steps], "state": self._state()}, self.look()]

    def _guarded(self, work: Callable[..., list[Told | Shown]], *arguments: Any) -> list[Told | Shown]:
        """What work answers, or a sentence where it fails."""
        try:
            return work(*arguments)
        except UserError as error:
            told = str(error)
        except (TypeError, ValueError) as error:
            log.debug("a message was left out", exc_info=True)
            told = f"that was not understood ({error})"
        return [{"say": told}]

    def _keep(self, shown: Shown) -> None:
        self._frames.append(shown[1:])

    def _state(self) -> Told:
        session = self._session
        return {
            "paused": self._paused,
            "driver": session.driver,
            "forked": session.forked,
            "plans": session.shows_plans,
            "speed": self._speed,
            "over": session.over,
            "seed": session.truth.seed,
        }

    def _driver_of(self) -> str:
        drivers = sorted(set(self._session.truth.drivers))
        return drivers[0] if len(drivers) == 1 else "several"

    def _draw_seed(self) -> int:
        return int(self._random.integers(EPISODE_SEEDS))


def _told(step: Step) -> Told:
    return {
        "number": step.number,
        "action": step.action.round(3).tolist(),
        "driver": step.driver,
        "predicted": _number(step.predicted_reward),
        "reward": _number(step.reward),
        "error": _number(step.error),
        "success": step.success,
        "forked": step.forked,
    }


def _number(value: float | None) -> float | None:
    """In JSON's terms, which knows no infinity."""
    return round(value, 5) if value is not None and np.isfinite(value) else None
