"""Somebody else's code, asked for something: what goes wrong in it is told in one sentence and by its own line."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from sysconfig import get_paths
from typing import Any

from wm_lab.errors import UserError

LIBRARIES = (*{get_paths()[name] for name in ("stdlib", "purelib", "platlib")}, str(Path(__file__).parents[2]))
"""Folders of code that is nobody's own: Python's, what is installed, and the lab's."""

LONGEST = 300
"""Characters of a message that are told."""


def asked(what: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What the function returns; UserError, which begins with `what`, where it raises anything."""
    try:
        return function(*arguments, **options)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what} raised {described(error)}; HYDRA_FULL_ERROR=1 shows the traceback") from error


def described(error: BaseException) -> str:
    """`ValueError: no such leg (my_module.py:12)`, of the innermost line that is the user's own, if there is one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((*LIBRARIES, "<"))]
    message = " ".join(str(error).split())
    message = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
    told = f"{type(error).__name__}: {message}" if message else type(error).__name__
    last = (own or frames)[-1:]
    return told + "".join(f" ({frame.filename}:{frame.lineno})" for frame in last)
