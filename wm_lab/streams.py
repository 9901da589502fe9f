"""Standard output and error that take whatever is said, wherever a command was started from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wm_lab.errors import UserError


def prepare_streams() -> None:
    """Open what was closed (`>&-`), and let no character fail that an encoding such as ASCII does not have."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)  # or the next file opened would be written to instead
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="replace")


def require_folder() -> None:
    """UserError where the folder that a command was called from is gone."""
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            "the folder that this is called from is gone or cannot be read; change to another one"
        ) from error
