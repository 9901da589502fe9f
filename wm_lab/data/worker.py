"""One worker process and the pipe to it: it keeps the tools of the last build it was given, and answers item by item.

It hears nothing of Ctrl-C or of a cluster that wants its machine back (the parent hears it and sends its workers home),
computes on one thread, and ends when its parent closes the pipe or dies, whatever it is busy with.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from wm_lab.errors import UserError
from wm_lab.system.loading import spared
from wm_lab.system.parent import die_with_parent, in_main_thread

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GRACE = 2.0  # seconds to learn how a worker died
UNHEARD = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2}
"""Signals that reach all processes of a terminal, or of a cluster's job, and are the parent's to answer."""


OUTLET: ContextVar[Callable[[Any], object] | None] = ContextVar("outlet", default=None)
"""Where `tell` goes while an item is being worked on."""


def tell(news: Any) -> None:
    """From within the work on an item: say how far it is to whoever handed it out (`hear` of `Workers.map`)."""
    if (outlet := OUTLET.get()) is not None:
        outlet(news)


class News(NamedTuple):
    """What a worker tells before it has a result."""

    content: Any


class Worker:
    """The parent's end of one process, which is started here."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy torch's and MuJoCo's threads in mid-air
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, in_main_thread()), daemon=True)
        self._tools: bytes | None = None
        resource_tracker.ensure_running()  # multiprocessing's own helper; starting it inside would unblock SIGINT
        with _single_thread_environment(), _without_signals():
            self._process.start()
        weakref.finalize(self, self._process.kill)  # at exit, Python would ask by SIGTERM and wait
        theirs.close()  # now the worker's death closes the pipe, and so does ours for the worker

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def give(self, build: bytes, item: Any) -> None:
        """Hand over an item, and the pickled `build` of the tools for it where the last ones were others."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it died already: reading its pipe next says how
            self.pipe.send(_Order(None if build == self._tools else build, item))
        self._tools = build

    def receive(self, name: str) -> Any:
        """What came of the item, which errors call `name`, or `News` of it; raises what it raised, or how it died."""
        try:
            answer = self.pipe.recv()
        except (EOFError, OSError):  # the latter also where it died in the middle of an answer
            self._process.join(GRACE)
            raise WorkerDied(
                f"a worker process died ({_cause_of_death(self._process.exitcode)}) while busy with {name}; "
                "run again with fewer workers if memory is short, or with workers=1 to see it happen in one process"
            ) from None
        if isinstance(answer, _Failure):
            answer.error.add_note(f"while busy with {name}")
            raise answer.error from WorkerTraceback(answer.traceback)
        return answer

    def dismiss(self) -> None:
        """Ask it to leave, whatever it is busy with; returns at once."""
        self.pipe.close()
        self._process.kill()

    def see_off(self) -> None:
        """Wait until a dismissed worker is gone."""
        self._process.join()


class WorkerDied(UserError):
    """Its pipe is closed, and nobody has closed it here."""


class WorkerTraceback(Exception):
    """Carries a worker's traceback, which cannot travel between processes, as the cause of the error it raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Order(NamedTuple):
    build: bytes | None  # pickled maker of new tools; None: the present ones will do
    item: Any


class _Failure(NamedTuple):
    """What a worker sends instead of a result."""

    error: Exception
    traceback: str


def _work(pipe: Connection, of_main_thread: bool) -> None:
    """A worker's life."""
    die_with_parent(of_main_thread)
    handle: Callable[[Any], Any] | None = None
    OUTLET.set(lambda news: pipe.send(News(news)))
    try:
        while True:
            build, item = pipe.recv()
            try:
                if build is not None:
                    handle = None  # the old tools go before the new ones need their memory
                    with spared():
                        make = pickle.loads(build)
                    handle = make()
                assert handle is not None
                answer = handle(item)
            except Exception as error:
                answer = _Failure(_portable(error), traceback.format_exc())
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _portable(error: Exception) -> Exception:
    """The error itself where it survives pickling, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _cause_of_death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


@contextmanager
def _single_thread_environment() -> Iterator[None]:
    """Children started inside take their thread count from here when they load NumPy, torch or MuJoCo."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_signals() -> Iterator[None]:
    """Children started inside keep these signals blocked for life, from before their first import on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
