"""What signals do to a run: the first asks it to close its books, a second Ctrl-C leaves at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

TERMINATED = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """SIGTERM, from a cluster that wants the machine back or from `kill`."""

    reason = "terminated by SIGTERM"


class Requeued(SystemExit):
    """SIGUSR2, heard by a launcher that sent the job back to the queue: it starts again in the same folder."""

    reason = "sent back to the queue"


class Signals:
    """Handlers for the time of one run; outside the main thread, where Python allows none, it does nothing."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._interrupted = False

    def install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        # A launcher's own handlers stay: submitit, for one, bears a preempting SIGTERM until SIGUSR2 or the end.
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        if callable(requeue := signal.getsignal(signal.SIGUSR2)):
            self._before[signal.SIGUSR2] = signal.signal(signal.SIGUSR2, partial(self._requeue, requeue))

    def remove(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        raise Terminated(TERMINATED)

    def _requeue(self, launchers: Callable[..., Any], number: int, frame: FrameType | None) -> None:
        try:
            launchers(number, frame)
        except SystemExit as end:
            raise Requeued(end.code) from None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            # No clean-up: everything stored is written under another name first, so there is nothing to damage.
            os._exit(128 + signal.SIGINT)
        self._interrupted = True
        raise KeyboardInterrupt
