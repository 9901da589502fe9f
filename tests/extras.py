"""Tests that need an extra say which; where it is not installed they skip with its name.

CI runs the suite without extras first. `WM_LAB_SKIPPED=FILE` has every test that was skipped for want of one written
down, an argument of pytest a line, so that a second run with everything installed repeats none of the others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

LIST = "WM_LAB_SKIPPED"
WORDS = "pip install 'wm_lab["


def need(module: str, extra: str) -> Any:
    """The module, of this extra; without it the test, or the whole file, is skipped."""
    return pytest.importorskip(module, reason=f"{module} is not installed; {WORDS}{extra}]'", exc_type=ImportError)


def write_down(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Note who was skipped for want of an extra; any number of processes may do so at once."""
    if report.skipped and os.environ.get(LIST) and WORDS in str(report.longrepr):
        with Path(os.environ[LIST]).open("a") as file:
            file.write(f"{report.nodeid}\n")
