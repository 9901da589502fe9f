"""Going on with a sweep: only cells that are missing or failed run, and what is finished stays as it is.

The same command again goes on with the newest sweep that the same command began with the same code, unless that one is
still running; `wm-lab sweep.resume=FOLDER` goes on with any. In both, a finished cell counts when its settings are
those that would be run now.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

import wm_lab
from wm_lab.errors import UserError
from wm_lab.evaluation.plain import read_json
from wm_lab.reports.runs import JOBS, RunRecord, read_run

RESUME = "sweep.resume"
LOCK = ".lock"
"""In the folder of a sweep: held while it runs, and let go of by the system when its process dies."""

IDLE = ("tracking", "workers", "outputs", "optimized_metric")
"""Sections of a configuration, and options within them, that change no number of a cell."""


def resumed(arguments: Sequence[str]) -> list[str]:
    """The command line that `sweep.resume=FOLDER` stands for: the sweep's own, unless another one is typed with it."""
    wanted = [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{RESUME}=")]
    if not wanted:
        return list(arguments)
    folder = Path(wanted[-1]).absolute()
    if not (folder / JOBS).is_file():
        raise UserError(f"{RESUME}: there is no sweep at {folder}; name one of the folders in outputs/multiruns")
    began = read_json(folder / JOBS, "sweep")
    return [*(command(arguments) or began.get("command", [])), f"hydra.sweep.dir='{folder}'"]


def command(arguments: Sequence[str]) -> list[str]:
    """What was typed, without where it is written."""
    return [argument for argument in arguments if not argument.startswith((f"{RESUME}=", "hydra.sweep.dir="))]


def place(folder: Path, asked: Mapping[str, Any]) -> tuple[Path, FileLock]:
    """Where a sweep is written that was to be in `folder`, and its lock: there, or where the same was begun before.

    `asked` is what the sweep's jobs.json will say. UserError where the folder holds another sweep or one that runs.
    """
    if not folder.exists():
        for earlier in sorted(folder.parent.glob(f"*/{JOBS}"), reverse=True):
            if _read(earlier) == asked and (lock := _take(earlier.parent)) is not None:
                return earlier.parent, lock
        folder.mkdir(parents=True)
    held = _read(folder / JOBS)
    if held and held.get("jobs") != asked["jobs"]:
        raise UserError(
            f"{folder} holds another sweep, of {len(held.get('jobs', []))} jobs where {len(asked['jobs'])} are asked "
            f"for; go on with it by `wm-lab {RESUME}={folder}` alone, or choose another folder"
        )
    lock = _take(folder)
    if lock is None:
        raise UserError(f"the sweep in {folder} is still running; wait for it, or stop it first")
    return folder, lock


def finished_before(folder: Path, config: str) -> RunRecord | None:
    """What the run with this configuration (YAML) left in `folder`, where it is finished."""
    record = read_run(folder)
    if record.state != "finished" or record.result is None:
        return None
    try:
        before = (folder / "config.yaml").read_text(encoding="utf-8")
        same = before == config or _counting(yaml.safe_load(before)) == _counting(yaml.safe_load(config))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return record if same else None


def code_hash(folders: Iterable[Path]) -> str:
    """16 hexadecimal digits that change with any line of the lab's code, and of a user's own in `folders`."""
    package = Path(wm_lab.__file__).parent
    files = [*sorted(package.rglob("*.py")), *(file for folder in folders for file in sorted(folder.glob("*.py")))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _take(folder: Path) -> FileLock | None:
    """The lock of a sweep's folder, or None where somebody holds it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _read(jobs: Path) -> dict[str, Any] | None:
    try:
        return json.loads(jobs.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _counting(config: Any) -> Any:
    """The part of a configuration that a cell's numbers depend on."""
    if not isinstance(config, dict):
        return config
    return {name: _counting(value) for name, value in config.items() if name not in IDLE}
