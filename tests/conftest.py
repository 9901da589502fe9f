"""What every test relies on: one thread, no network, nobody's real Weights & Biases account."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import pytest

from tests.browser.chromium import chromium
from tests.extras import write_down

__all__ = ["chromium"]

# A shell that starts the suite in the background leaves Ctrl-C ignored, and children inherit that; a handler of our own
# does not pass to them, so they start with the system's default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set before torch, MuJoCo or wandb are imported; the suite runs beside other work and measures process time.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A developer's own key must never carry a test's run to a real project.
for name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[name]
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
os.environ["WANDB_ERROR_REPORTING"] = "false"
os.environ["NETRC"] = os.devnull

# absl, which some libraries of tasks log with, closes its stream whenever logging is set up anew; imported during a
# test it would close pytest's own.
with suppress(ImportError):
    from absl import logging as absl_logging

    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    write_down(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    write_down(report)
