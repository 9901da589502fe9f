"""What the tests' worker processes do; imports little, so that they start at once."""

from __future__ import annotations

import gc
import os
import signal
import time
from multiprocessing.connection import Connection

from wm_lab.errors import UserError

SLOW = 30.0  # seconds


class Adder:
    """Adds, says which process it is and how often it was called; obeys a few commands."""

    def __init__(self, base: int) -> None:
        self.base, self.calls = base, 0

    def __call__(self, item: int | str) -> object:
        self.calls += 1
        if item == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "die answering":
            Connection._send = _half_of_it  # type: ignore[attr-defined]
            return [self.base] * 100
        if item == "fail":
            raise UserError("the dial is broken")
        if item == "threads":
            import torch

            return torch.get_num_threads()
        if item == "frozen":
            return gc.get_freeze_count()
        if item == "slow":
            time.sleep(SLOW)
            return self.base, os.getpid(), self.calls
        return self.base + int(item), os.getpid(), self.calls


def _half_of_it(pipe: Connection, message: bytes) -> None:
    os.write(pipe.fileno(), message[: len(message) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
