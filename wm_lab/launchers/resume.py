"""Going on with a sweep: only cells that are missing or failed run, and what is finished stays as it is.

The same command again goes on with the newest sweep that the same command began with the same code, unless that one is
still running; `wm-lab sweep.resume=FOLDER` goes on with any. In both, a finished cell counts when its settings are
those that would be run now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from wm_lab.errors import UserError
from wm_lab.reports.runs import JOBS, RunRecord, read_run
from wm_lab.system.seal import unsealed

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
    folder = Path(wanted[-1]).expanduser().absolute()
    began = _read(folder / JOBS)
    if began is None:
        raise UserError(f"{RESUME}: there is no sweep at {folder}; name one of the folders in outputs/multiruns")
    typed = command(arguments)
    if all(_may_run_code(part) for part in _parts(typed)):  # nothing, or where the code lies: the rest is as it began
        stored = _parts(began["command"])
        if (unsafe := [word for part in stored if _may_run_code(part) for word in part]) and not typed:
            raise UserError(
                f"the sweep in {folder} was begun with {' '.join(map(ascii, unsafe))}, which can run code, and what a "
                f"folder says is not run; type it again behind `wm-lab {RESUME}={folder}`"
            )
        typed += [word for part in stored if not _may_run_code(part) for word in part]
    return [*typed, f"hydra.sweep.dir='{folder}'"]


NAMED = ("--config-name", "-cn")
WITH_VALUE = (*NAMED, "--config-dir", "-cd", "--config-path", "-cp")
"""Hydra's flags whose value is the next word, where no = stands in them."""
LAUNCHED = ("hydra/launcher=", "hydra.launcher.n_jobs=", "hydra.launcher.partition=", "hydra.launcher.gpus_per_node=")
"""What may be said to Hydra itself: by what a sweep is launched."""
IMPORTED = ("task.success", "task.expert", "task.id")
"""Options of ours that may name a module."""


def _parts(words: Sequence[str]) -> list[list[str]]:
    """Arguments, each with the value that follows it."""
    parts: list[list[str]] = []
    for word in words:
        if parts and parts[-1][-1] in WITH_VALUE and len(parts[-1]) == 1:
            parts[-1].append(word)
        else:
            parts.append([word])
    return parts


def _may_run_code(part: Sequence[str]) -> bool:
    """Whether an argument could lead to code, or to YAML that names some, outside the lab's own folders."""
    key, _, value = part[0].lstrip("+~").partition("=")
    if key in ("-m", "--multirun"):
        return False
    if key in NAMED:
        return re.fullmatch(r"\w+", value or part[-1]) is None
    if key.startswith("-") or "_target_" in part[0]:
        return True
    if key.startswith("hydra"):
        return not part[0].startswith(LAUNCHED)
    is_group = "." not in key or "/" in key or "@" in key
    leaves = ".." in value or value.strip("'\"").startswith(("/", "~"))
    return (is_group and key != "outputs" and leaves) or (key in IMPORTED and ":" in value)


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


def finished_before(folder: Path, write: Callable[[], str]) -> RunRecord | None:
    """What the run with this configuration left in `folder`, where it is finished; `write` makes YAML of it."""
    record = read_run(folder)
    if record.state != "finished" or record.result is None:
        return None
    try:
        before, config = (folder / "config.yaml").read_text(encoding="utf-8"), write()
        same = before == config or _counting(yaml.safe_load(before)) == _counting(yaml.safe_load(config))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return record if same else None


def _take(folder: Path) -> FileLock | None:
    """The lock of a sweep's folder, or None where somebody holds it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _read(jobs: Path) -> dict[str, Any] | None:
    """What a sweep's folder says of it, None where it says nothing that a sweep would."""
    try:
        told = json.loads(jobs.read_text(encoding="utf-8"))
        told = unsealed(told) if isinstance(told, dict) else told
    except (OSError, ValueError, RecursionError):
        return None
    fits = isinstance(told, dict) and _are_words(told.get("command"))
    fits = fits and isinstance(told.get("jobs"), list) and all(_are_words(job) for job in told["jobs"])
    return told if fits else None


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _counting(config: Any) -> Any:
    """The part of a configuration that a cell's numbers depend on."""
    if not isinstance(config, dict):
        return config
    return {name: _counting(value) for name, value in config.items() if name not in IDLE}
