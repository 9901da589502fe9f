"""Whose code may run: the lab's own, and that of modules which a configuration typed now names.

A checkpoint or a sweep's folder may name a class or a folder of code as well, but what they say is data.
"""

from __future__ import annotations

import os

MODULES = "WM_LAB_MODULES"
"""Environment variable, by which worker processes know what was named: top-level modules, separated by commas."""


def trust(module: str) -> None:
    """The configuration names something in this module."""
    known = _known()
    os.environ[MODULES] = ",".join(sorted({*known, _top(module)}))


def is_trusted(module: str) -> bool:
    return _top(module) in _known()


def _known() -> set[str]:
    return {"wm_lab", *filter(None, os.environ.get(MODULES, "").split(","))}


def _top(module: str) -> str:
    return module.partition(".")[0]
