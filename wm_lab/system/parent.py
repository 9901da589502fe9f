"""Processes that end with the one that started them, however that one ended: nobody would hear of their work.

Workers need it before they import anything that takes seconds, so this module imports nothing of the lab.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import threading
import time
from functools import cache
from multiprocessing.process import parent_process

PATIENCE = 0.5
"""Seconds in which a run that was asked to end closes its books."""

POLL = 0.25  # seconds between two looks, where the system cannot tell by itself
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


@cache
def leave_with(parent: int) -> None:
    """This process, which `parent` started, is asked by SIGTERM to end when that one has, and after a while made to."""
    told_by_system = _signal_at_death_of(parent, signal.SIGTERM)

    def watch() -> None:
        _outlive(parent)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)  # the system ends it then, even while no thread gets a turn
        if not told_by_system:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def die_with_parent(of_main_thread: bool) -> None:
    """End this process of multiprocessing's at once when its parent has ended, whatever it is busy with.

    of_main_thread: whether the parent's main thread started it. Linux tells of the death of the thread that did; so it
        is asked only then, and ends the process even while another library holds Python's lock.

    Nothing is cleaned up: whatever is stored is written under another name first, so there is nothing to damage.
    """
    parent = parent_process()
    assert parent is not None and parent.pid is not None
    if of_main_thread:
        _signal_at_death_of(parent.pid, signal.SIGKILL)

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _signal_at_death_of(parent: int, sent: signal.Signals) -> bool:
    """Have the system send this when the thread of `parent` that started this process ends; whether it can."""
    if sys.platform != "linux":
        return False
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, sent)
    if os.getppid() != parent:  # it ended before that
        os._exit(128 + sent)
    return True


def _outlive(parent: int) -> None:
    """Return when `parent` has ended."""
    if sys.platform == "linux":
        try:
            handle = os.pidfd_open(parent)
        except OSError:  # it has ended, or this system has no such handles
            pass
        else:
            ended = select.poll()
            ended.register(handle)
            if os.getppid() == parent:  # otherwise the number may be another's by now
                ended.poll()
            os.close(handle)
    while os.getppid() == parent:
        time.sleep(POLL)
