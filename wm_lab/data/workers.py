"""A pool of processes that stays for a whole run and is handed one kind of tools after another.

A worker needs seconds to load torch and MuJoCo and milliseconds to build a task and a policy; so the processes stay
while the work changes, and work that is a single item is done in this process.

Why not `concurrent.futures`: when a worker dies it cannot say at which item, its workers print tracebacks on Ctrl-C,
and they outlive a parent that was killed. Here each worker has a pipe of its own: a death on either side is seen.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self, TypeVar

from wm_lab.data.worker import OUTLET, News, Worker, WorkerDied
from wm_lab.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """`count` processes (None: one per core, 0 or 1: this one alone), started when first needed.

    Whatever is done in this process is done on one thread like in a worker, so the numbers are the same.
    A closed pool may be used again; it starts anew.
    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 0:
            raise UserError(f"workers={count} is negative; use null for one per core, or 1 for a single process")
        self.count = cores() if count is None else max(1, count)
        self._pool: list[Worker] = []
        self._here: tuple[object, Callable[[Any], Any]] | None = None  # key and tools of this process

    def map(
        self,
        build: Callable[[], Callable[[Item], Result]],
        items: Sequence[Item],
        *,
        name: Callable[[Item], str] = repr,
        done: Callable[[Result], None] | None = None,
        hear: Callable[[Item, Any], None] | None = None,
        keep: bool = True,
    ) -> list[Result]:
        """Apply what `build()` returns to the items; results in their order, `done` hears each one once it is there.

        `hear` is given what is told (`worker.tell`) while an item is worked on. Without `keep` none is returned:
        no result needs memory longer than `done` wants it.

        Each process calls `build` once and keeps its tools until it is asked for others; two builds that pickle to the
        same bytes are the same. `build` must be picklable (a module's function or a `functools.partial` of one) where
        several workers have several items.
        An exception in a worker is raised here with the worker's traceback as its cause; a worker that dies (killed,
        out of memory, crashed in native code) raises a UserError that says which item, by `name`, it was busy with.
        """
        if self.count == 1 or len(items) < 2:
            return self._map_here(build, items, name, done, hear, keep)
        results: dict[int, Result] = {}
        try:
            for index, answer in self._answers(pickle.dumps(build), items, name):
                if isinstance(answer, News):
                    if hear is not None:
                        hear(items[index], answer.content)
                    continue
                if keep:
                    results[index] = answer
                if done is not None:
                    done(answer)
        except BaseException:
            self.close()  # workers in mid-item would otherwise answer the next map
            raise
        return [results[index] for index in sorted(results)]

    def _answers(self, build: bytes, items: Sequence[Item], name: Callable[[Item], str]) -> Iterator[tuple[int, Any]]:
        """(index of an item, its result or news of it) as they come; whoever has answered is given the next item."""
        stayed = self._hire(len(items))
        todo = iter(range(len(items)))
        busy: dict[Any, tuple[Worker, int]] = {}  # by the pipe to the worker

        def give(worker: Worker, index: int) -> None:
            worker.give(build, items[index])
            busy[worker.pipe] = worker, index

        for worker, index in zip(self._pool, todo, strict=False):
            give(worker, index)
        while busy:
            for pipe in wait(list(busy)):
                worker, index = busy[pipe]
                try:
                    answer = worker.receive(name(items[index]))
                except WorkerDied:
                    if worker not in stayed:
                        raise
                    del busy[pipe]
                    self._pool[self._pool.index(worker)] = another = Worker()
                    give(another, index)
                    continue
                stayed.discard(worker)
                if not isinstance(answer, News):
                    del busy[pipe]
                    for following in islice(todo, 1):
                        give(worker, following)
                yield index, answer

    def _hire(self, items: int) -> set[Worker]:
        """One worker an item, up to `count`; returns those of an earlier map.

        Idle ones may have been killed, or may be dying still: what these do not answer is handed to another.
        """
        self._pool = [worker for worker in self._pool if worker.alive]
        stayed = set(self._pool)
        while len(self._pool) < min(self.count, items):
            self._pool.append(Worker())
        return stayed

    def close(self) -> None:
        """Send everybody home; whoever is still busy is stopped."""
        dismissed, self._pool, self._here = self._pool, [], None
        for worker in dismissed:
            worker.dismiss()
        for worker in dismissed:
            worker.see_off()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _map_here(
        self,
        build: Callable[[], Callable[[Item], Result]],
        items: Sequence[Item],
        name: Callable[[Item], str],
        done: Callable[[Result], None] | None,
        hear: Callable[[Item, Any], None] | None,
        keep: bool,
    ) -> list[Result]:
        results: list[Result] = []
        with _one_thread():
            for item in items:
                outlet = OUTLET.set(None if hear is None else partial(hear, item))
                try:
                    answer = self._tools_here(build)(item)
                except Exception as error:
                    self._here = None  # tools that failed in mid-item are not to be trusted again
                    error.add_note(f"while busy with {name(item)}")
                    raise
                finally:
                    OUTLET.reset(outlet)
                if keep:
                    results.append(answer)
                if done is not None:
                    done(answer)
        return results

    def _tools_here(self, build: Callable[[], Callable[[Any], Any]]) -> Callable[[Any], Any]:
        key = _key(build)
        if self._here is None or self._here[0] != key:
            self._here = None  # the old tools go before the new ones need their memory
            self._here = key, build()
        return self._here[1]


@contextmanager
def pool_of(workers: Workers | int | None) -> Iterator[Workers]:
    """The pool that was handed in, which stays, or one of so many workers for the time of the block."""
    if isinstance(workers, Workers):
        yield workers
    else:
        with Workers(workers) as temporary:
            yield temporary


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _key(build: Callable[[], Any]) -> object:
    """What tells one build from another: its bytes, or itself where it is of this process only (a local function)."""
    try:
        return pickle.dumps(build)
    except (pickle.PicklingError, AttributeError, TypeError):
        return build


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch  # here, so that workers which need no torch start ten times faster

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
