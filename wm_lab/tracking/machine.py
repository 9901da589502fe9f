"""Where a run happened: versions, machine, and the exact code."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import wm_lab

GIT_SECONDS = 5.0  # a repository on a sleeping network disk must not hold up a run


def environment() -> dict[str, Any]:
    """Facts that a stranger needs to repeat the run; plain values, ready for JSON."""
    return {
        "wm_lab": wm_lab.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": _packages(),
        "git": _git(Path(wm_lab.__file__).parent),
        "command": sys.argv,
    }


@lru_cache(1)
def _packages() -> dict[str, str]:
    """Versions of all that wm_lab asks for, extras included where they are installed."""
    try:
        requirements = metadata.requires("wm_lab") or []
    except metadata.PackageNotFoundError:  # run from a folder on the path, without an installation
        requirements = []
    versions = {}
    for requirement in requirements:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(versions.items()))


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and whether the working tree differs from it; None where the code is not in a repository."""
    try:
        commit = _ask_git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _ask_git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    return done.stdout.strip()


def _cpu() -> str:
    """The processor's name, which Python itself does not know on Linux."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
