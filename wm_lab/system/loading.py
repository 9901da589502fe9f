"""Loading of code without looking for garbage in it: next to nothing of what PyTorch brings ever goes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared() -> Iterator[None]:
    """Python's collector waits while modules are loaded inside, and never looks through what is there at the end.

    Only the first time in a process: later there may be garbage beside what was loaded, which would stay for ever.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
