"""A small pool of persistent processes: each builds its tools once, then handles items until the pool closes.

Why not `concurrent.futures`: when a worker dies it cannot say at which item, its workers print tracebacks on Ctrl-C,
and they outlive a parent that was killed. Here each worker has a pipe of its own: a death on either side is seen.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from wm_lab.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GRACE = 2.0  # seconds a worker gets to leave before it is killed


class Workers(Generic[Item, Result]):
    """`count` processes that each call `build()` once and then apply what it returned to items.

    With a count of 1 everything happens in this process, on one thread like in a worker, so the numbers are the same.
    `build` must be picklable (a module's function or a `functools.partial` of one) when the count exceeds 1.
    """

    def __init__(self, build: Callable[[], Callable[[Item], Result]], count: int | None = None) -> None:
        self._build = build
        self.count = cores() if count is None else max(1, count)
        self._crew: list[_Worker] = []
        self._handle: Callable[[Item], Result] | None = None  # the in-process worker's tools

    def map(
        self,
        items: Sequence[Item],
        *,
        name: Callable[[Item], str] = repr,
        done: Callable[[Result], None] | None = None,
    ) -> list[Result]:
        """Results in the order of `items`; `done` hears each one as soon as it is there.

        An exception in a worker is raised here with the worker's traceback as its cause; a worker that dies (killed,
        out of memory, crashed in native code) raises a UserError that says which item, by `name`, it was busy with.
        """
        if self.count == 1:
            return self._map_here(items, name, done)
        while len(self._crew) < min(self.count, len(items)):
            self._crew.append(_hire(self._build))
        results: dict[int, Result] = {}
        todo = iter(enumerate(items))
        busy: dict[Connection, tuple[_Worker, int]] = {}
        try:
            for worker in self._crew:
                _give_next(worker, todo, busy)
            while busy:
                for pipe in wait(list(busy)):
                    worker, index = busy.pop(pipe)  # type: ignore[call-overload]
                    results[index] = _receive(worker, name(items[index]))
                    _give_next(worker, todo, busy)
                    if done is not None:
                        done(results[index])
        except BaseException:
            self.close()  # workers in mid-item would otherwise answer the next map
            raise
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """Send everybody home; whoever is still busy is stopped."""
        for worker in self._crew:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._crew:
            worker.process.join(GRACE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._crew = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _map_here(
        self, items: Sequence[Item], name: Callable[[Item], str], done: Callable[[Result], None] | None
    ) -> list[Result]:
        results = []
        with _one_thread():
            for item in items:
                try:
                    if self._handle is None:
                        self._handle = self._build()
                    results.append(self._handle(item))
                except Exception as error:
                    error.add_note(f"while busy with {name(item)}")
                    raise
                if done is not None:
                    done(results[-1])
        return results


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerTraceback(Exception):
    """Carries a worker's traceback, which cannot travel between processes, as the cause of the error it raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


class _Failure(NamedTuple):
    """What a worker sends instead of a result."""

    error: Exception
    traceback: str


def _hire(build: Callable[[], Callable[[Any], Any]]) -> _Worker:
    """Start one worker that hears nothing of Ctrl-C: the parent hears it, and sends its workers home."""
    context = multiprocessing.get_context("spawn")  # a fork would copy torch's and MuJoCo's threads in mid-air
    pipe, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, build), daemon=True)
    resource_tracker.ensure_running()  # multiprocessing's own helper; starting it inside would unblock SIGINT
    with _single_thread_environment(), _without_interrupts():
        process.start()
    theirs.close()  # now the worker's death closes the pipe, and so does ours for the worker
    return _Worker(process, pipe)


def _give_next(worker: _Worker, todo: Iterator[tuple[int, Item]], busy: dict[Connection, tuple[_Worker, int]]) -> None:
    index, item = next(todo, (None, None))
    if index is None:
        return
    with suppress(BrokenPipeError, ConnectionResetError):  # it died already: reading its pipe next says how
        worker.pipe.send(item)
    busy[worker.pipe] = worker, index


def _receive(worker: _Worker, name: str) -> Any:
    try:
        answer = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join(GRACE)
        raise UserError(
            f"a worker process died ({_cause_of_death(worker.process.exitcode)}) while busy with {name}; "
            "run again with fewer workers if memory is short, or with workers=1 to see it happen in one process"
        ) from None
    if isinstance(answer, _Failure):
        answer.error.add_note(f"while busy with {name}")
        raise answer.error from WorkerTraceback(answer.traceback)
    return answer


def _cause_of_death(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def _work(pipe: Connection, build: Callable[[], Callable[[Any], Any]]) -> None:
    """A worker's life; it ends when the parent closes the pipe or dies."""
    handle = None
    try:
        while True:
            item = pipe.recv()
            try:
                if handle is None:
                    handle = build()
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
def _without_interrupts() -> Iterator[None]:
    """Children started inside keep SIGINT blocked for life, from before their first import on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch  # here, so that workers which need no torch start ten times faster

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
