"""Timing and the table's rows."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

WARM_UP = 2

quick = False
"""Whether everything is done once and small, to see that it runs: such times are not worth reading."""


def size(full: int, small: int) -> int:
    """Of what is measured."""
    return small if quick else full


@dataclass
class Row:
    """One line of the table. `target` is a bound on `value`: at most (a cost) or, with `least`, at least (a rate)."""

    name: str
    value: float
    unit: str
    target: float | None = None
    least: bool = False

    @property
    def missed(self) -> bool:
        if self.target is None or quick:
            return False
        return self.value < self.target if self.least else self.value > self.target

    def __str__(self) -> str:
        found = f"{short(self.value)} {self.unit}".strip()
        bound = "" if self.target is None else f"{'>=' if self.least else '<='} {short(self.target)}"
        return f"  {self.name:<56}{found:>12}  {bound:<12}{'MISSED' if self.missed else ''}".rstrip()


def fastest(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """CPU seconds of the fastest call of each work.

    The works take turns, so that all meet the same machine. CPU time leaves other processes out of it, and the fastest
    of many calls is the one that their caches and clock speeds disturbed least.
    """
    for work in works:
        for _ in range(size(WARM_UP, 0)):
            work()
    best = [float("inf")] * len(works)
    for turn in range(size(rounds, 1)):
        for i in range(len(works)) if turn % 2 else reversed(range(len(works))):
            began = time.process_time()
            works[i]()
            best[i] = min(best[i], time.process_time() - began)
    return best


def facts() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "mujoco": version("mujoco"),
    }


def machine() -> str:
    """The same in a line."""
    here = facts()
    load = "" if here["load"] is None else f", load {here['load']}"
    return (
        f"{here['processor']}, {here['cores']} cores{load}; Python {here['python']}, torch {here['torch']}, "
        f"mujoco {here['mujoco']}; one thread, except where all cores are named"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
