"""The command in a process of its own, forked from here, where all is imported: a fresh one spends seconds on that.

Campaigns start thousands of commands so. The process that calls `begin` must be of one thread, as it is with
OMP_NUM_THREADS=1, for a fork copies the locks of other threads and not the threads.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from wm_lab import __main__ as entry
from wm_lab.main import TRACEBACK

torch.set_num_threads(1)


class Started(NamedTuple):
    """A command in a session of its own."""

    pid: int
    told: Path
    """What it says, on either stream."""

    def processes(self) -> list[int]:
        """Those of it that live, workers and Python's own helper among them."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[3]) == self.pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found

    def workers(self) -> list[int]:
        """Processes that compute for it."""
        found = []
        for pid in self.processes():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text()
            except OSError:
                continue
            if "spawn_main" in words:
                found.append(pid)
        return found

    def wait(self, seconds: float) -> int | None:
        """Its exit code (negative: the signal that ended it), None where it has not ended by then."""
        ended = self.ended(seconds)
        return None if ended is None else ended.code

    def ended(self, seconds: float) -> Ended | None:
        """How it ended, None where it has not by then."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                computed = used.ru_utime + used.ru_stime
                return Ended(os.waitstatus_to_exitcode(status), computed, used.ru_maxrss / 2**20)
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)

    def lingering(self) -> float:
        """Seconds until none of it is left."""
        began = time.monotonic()
        while self.processes() and time.monotonic() < began + 60:
            time.sleep(0.02)
        return time.monotonic() - began


class Ended(NamedTuple):
    code: int
    """Negative: the signal that ended it."""
    seconds: float
    """Of computing."""
    memory: float
    """Most it held at once, in GiB."""


def begin(folder: Path, words: Sequence[str], program: Callable[[], object] = entry.cli) -> Started:
    """Start `wm-lab` with these words in `folder`; `program` stands for the command."""
    assert len(os.listdir("/proc/self/task")) == 1, "a process of several threads must not be forked"  # noqa: PTH208
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / f"told-{time.monotonic_ns()}.txt"
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return Started(pid, told)
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        output = os.open(told, os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for name in ("HYDRA_FULL_ERROR", TRACEBACK):
            os.environ.pop(name, None)
        sys.argv = ["wm-lab", *words]
        sys.modules["__main__"] = entry  # which workers load, and not this file
        program()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(code)
    raise AssertionError


def _leave(code: int) -> None:
    """As at the end of a program, whose workers are killed by finalizers."""
    from multiprocessing import util

    sys.stdout.flush()
    sys.stderr.flush()
    util._exit_function()  # type: ignore[attr-defined]
    os._exit(code)
