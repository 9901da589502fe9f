"""A crew of processes that stays for a whole run and is handed one kind of tools after another.

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
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from wm_lab.data.worker import OUTLET, News, Worker, WorkerDied
from wm_lab.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """`count` processes (None: one per core, 0 or 1: this one alone), started when first needed.

    Whatever is done in this process is done on one thread like in a worker, so the numbers are the same.
    A closed crew may be used again; it starts anew.
    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 0:
            raise UserError(f"workers={count} is negative; use null for one per core, or 1 for a single process")
        self.count = cores() if count is None else max(1, count)
        self._crew: list[Worker] = []
        self._here: tuple[object, Callable[[Any], Any]] | None = None  # key and tools of this process

    def map(
        self,
        build: Callable[[], Callable[[Item], Result]],
        items: Sequence[Item],
        *,
        name: Callable[[Item], str] = repr,
        done: Callable[[Result], None] | None = None,
        hear: Callable[[Item, Any], None] | None = None,
    ) -> list[Result]:
        """Apply what `build()` returns to the items; results in their order, `done` hears each one once it is there.

        `hear` is given what is told (`worker.tell`) while an item is worked on.

        Each process calls `build` once and keeps its tools until it is asked for others; two builds that pickle to the
        same bytes are the same. `build` must be picklable (a module's function or a `functools.partial` of one) where
        several workers have several items.
        An exception in a worker is raised here with the worker's traceback as its cause; a worker that dies (killed,
        out of memory, crashed in native code) raises a UserError that says which item, by `name`, it was busy with.
        """
        if self.count == 1 or len(items) < 2:
            return self._map_here(build, items, name, done, hear)
        pickled = pickle.dumps(build)
        self._crew = [worker for worker in self._crew if worker.alive]  # idle ones may have been killed
        stayed = set(self._crew)  # and may be dying still: what has not answered yet is handed to another
        while len(self._crew) < min(self.count, len(items)):
            self._crew.append(Worker())
        results: dict[int, Result] = {}
        todo = iter(enumerate(items))
        busy: dict[Connection, tuple[Worker, int]] = {}

        def give_next(worker: Worker) -> None:
            for index, item in todo:
                worker.give(pickled, item)
                busy[worker.pipe] = worker, index
                return

        try:
            for worker in self._crew:
                give_next(worker)
            while busy:
                for pipe in wait(list(busy)):
                    worker, index = busy[pipe]  # type: ignore[index]
                    try:
                        answer = worker.receive(name(items[index]))
                    except WorkerDied:
                        if worker not in stayed:
                            raise
                        del busy[pipe]  # type: ignore[arg-type]
                        self._crew[self._crew.index(worker)] = another = Worker()
                        another.give(pickled, items[index])
                        busy[another.pipe] = another, index
                        continue
                    stayed.discard(worker)
                    if isinstance(answer, News):
                        if hear is not None:
                            hear(items[index], answer.content)
                        continue
                    del busy[pipe]  # type: ignore[arg-type]
                    results[index] = answer
                    give_next(worker)
                    if done is not None:
                        done(results[index])
        except BaseException:
            self.close()  # workers in mid-item would otherwise answer the next map
            raise
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """Send everybody home; whoever is still busy is stopped."""
        crew, self._crew, self._here = self._crew, [], None
        for worker in crew:
            worker.dismiss()
        for worker in crew:
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
    ) -> list[Result]:
        results: list[Result] = []
        with _one_thread():
            for item in items:
                outlet = OUTLET.set(None if hear is None else partial(hear, item))
                try:
                    results.append(self._tools_here(build)(item))
                except Exception as error:
                    self._here = None  # tools that failed in mid-item are not to be trusted again
                    error.add_note(f"while busy with {name(item)}")
                    raise
                finally:
                    OUTLET.reset(outlet)
                if done is not None:
                    done(results[-1])
        return results

    def _tools_here(self, build: Callable[[], Callable[[Any], Any]]) -> Callable[[Any], Any]:
        key = _key(build)
        if self._here is None or self._here[0] != key:
            self._here = None  # the old tools go before the new ones need their memory
            self._here = key, build()
        return self._here[1]


@contextmanager
def crew(workers: Workers | int | None) -> Iterator[Workers]:
    """The crew that was handed in, which stays, or one of so many workers for the time of the block."""
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
