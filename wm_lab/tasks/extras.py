"""Packages that only some tasks need, asked for when such a task is made."""

from __future__ import annotations

import warnings
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO
from typing import Any

from wm_lab.errors import UserError


def need(module: str, wanted: str, extra: str = "tasks") -> Any:
    """The module, imported; UserError where it is missing says which `pip install` brings it. `wanted`: who asks."""
    try:
        # Libraries greet with news of environments that nobody asked for, in every worker process.
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as missing:
        found = "" if (missing.name or module).split(".")[0] == module.split(".")[0] else f" (it lacks {missing.name})"
        raise UserError(
            f"{wanted} needs the package {module.split('.')[0]}, which cannot be imported{found}; "
            f"pip install 'wm_lab[{extra}]'"
        ) from missing
