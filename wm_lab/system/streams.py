"""Standard output and error that take whatever is said, wherever a command was started from."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from wm_lab.errors import UserError

LEAST_MEMORY = 1.5e9
"""Bytes of address space that PyTorch and a small run need."""


def prepare_streams() -> None:
    """Open what was closed (`>&-`), and let no character fail that an encoding such as ASCII does not have."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # or the next file opened would be written to instead
            os.set_inheritable(number, True)  # where it was the file opened; programs that we start write there too
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="replace")
    let_logs_fail()


def let_logs_fail() -> None:
    """A log that cannot be written, because the disk is full, prints no traceback: what needs the disk will say so."""
    logging.raiseExceptions = False


def require_folder() -> None:
    """UserError where the folder that a command was called from is gone."""
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            "the folder that this is called from is gone or cannot be read; change to another one"
        ) from error


def require_memory() -> None:
    """UserError where `ulimit -v` leaves this process too little address space to load PyTorch in."""
    import resource  # POSIX only

    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_MEMORY:
        raise UserError(
            f"this process may use {allowed / 1e9:.1f} GB of address space, and PyTorch needs "
            f"{LEAST_MEMORY / 1e9:.1f}; raise the limit, for instance by `ulimit -v unlimited`"
        )
