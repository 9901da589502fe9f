"""Waits for somebody else's service no longer than agreed, all calls together."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

AT_ONCE = 1.0
"""Seconds that a call has however little is left: what works takes that long now and then."""


class Late(Exception):
    """A call was given up; it may still be going on."""


class Patience:
    """Makes calls one after the other in a thread of its own, and waits `seconds` at most for all that fail.

    A call that is given up cannot be ended: after one, make no others. Where nobody else is asked any more, `end` it:
    calls are then made as they are.
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self._ended = False
        self._calls: SimpleQueue[tuple[Callable[[], Any], _Outcome]] = SimpleQueue()
        self._thread: Thread | None = None

    def spend(self, seconds: float) -> None:
        """Note what was waited for nothing."""
        self.left = max(0.0, self.left - seconds)

    def end(self) -> None:
        """Nothing is waited for from now on."""
        self._ended = True

    def __call__(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the call returns; raises what it raises, or Late."""
        if self._ended:
            return call(*arguments, **options)
        if self._thread is None:
            self._thread = Thread(target=self._work, name="patience", daemon=True)
            self._thread.start()
        outcome, began = _Outcome(), time.monotonic()
        self._calls.put((lambda: call(*arguments, **options), outcome))
        in_time = outcome.done.wait(max(AT_ONCE, self.left))
        if in_time and outcome.error is None:
            return outcome.value
        waited = time.monotonic() - began
        self.spend(waited)
        raise outcome.error if outcome.error is not None else Late(f"no answer in {waited:.0f} s")

    def _work(self) -> None:
        while True:
            call, outcome = self._calls.get()
            try:
                outcome.value = call()
            except Exception as error:
                outcome.error = error
            outcome.done.set()


class _Outcome:
    def __init__(self) -> None:
        self.done = Event()
        self.value: Any = None
        self.error: Exception | None = None
