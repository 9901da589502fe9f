"""Run folders read back: what was asked, what came out, and what is missing.

Nothing here fails because one folder is broken: a run that left no readable answer is a run with a reason.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from wm_lab.errors import UserError, harmless, shortened
from wm_lab.evaluation.outcomes import Arm, Outcomes, runs
from wm_lab.system.seal import unsealed
from wm_lab.tracking.run_folder import RESULT, RunFolder

STATUS = "status.json"
JOBS = "jobs.json"
"""In the folder of a sweep: {"jobs": the overrides of each}."""

OUTCOMES = "outcomes"
"""Folder in a run folder with one file an arm: of its first training, or its only one."""

MORE = "training"
"""Folders in there with the same of the second training (training1), the third (training2) and so on."""

NEEDED: dict[str, type] = {"labels": dict, "task": str, "seed": int, "verdict": str, "numbers": dict}
"""What a report reads of a result."""

DEPTH = 6
"""Folders below a given one in which runs are looked for: outputs/multiruns/<time>/<job>, where <job> may hold some."""


@dataclass(frozen=True)
class RunRecord:
    """One run. `result` is None where there is none to read, and `reason` then says why."""

    folder: Path
    state: str
    reason: str
    overrides: tuple[str, ...]
    environment: dict[str, Any]
    started: str
    result: dict[str, Any] | None

    @property
    def command(self) -> str:
        """What runs it again."""
        return shlex.join(["wm-lab", *self.overrides])

    @property
    def settings(self) -> dict[str, str]:
        """What was typed, by key; what was chosen for each group as the result tells it."""
        typed = dict(override.lstrip("+~").partition("=")[::2] for override in self.overrides)
        return {**(self.result["labels"] if self.result else {}), **typed}

    @cached_property
    def outcomes(self) -> dict[str, list[Outcomes]]:
        """Who did what in every episode, by arm, in each of its trainings."""
        found: dict[str, list[Outcomes]] = {}
        for place in (self.folder / OUTCOMES, *sorted((self.folder / OUTCOMES).glob(f"{MORE}*"), key=_natural)):
            for file in sorted(place.glob("*.json")):
                found.setdefault(file.stem, []).append(Outcomes.load(file))
        return found


def save_outcomes(folder: Path, arms: Mapping[str, Arm]) -> None:
    """Keep who did what in every episode, so that runs can be compared episode by episode later."""
    for name, arm in arms.items():
        for number, outcomes in enumerate(runs(arm)):
            place = folder / OUTCOMES
            outcomes.save((place / f"{MORE}{number}" if number else place) / f"{name}.json")


def read_runs(folders: Iterable[Path | str]) -> list[RunRecord]:
    """The runs in these folders, each of which is a run or holds some, in natural order and each once.

    Raises UserError for a folder that does not exist, or where there is no run at all.
    """
    found: dict[Path, Path] = {}  # a folder that links lead to as well is one run
    given = [Path(folder).absolute() for folder in folders]
    for folder in given:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder}; name run folders, or a folder that holds them")
        patterns = ("*/" * depth + STATUS for depth in range(DEPTH))
        places = {file.parent for pattern in patterns for file in folder.glob(pattern)}
        for place in sorted(places, key=_natural):
            found.setdefault(place.resolve(), place)
    if not found:
        raise UserError(
            f"there is no run in {', '.join(map(str, given))}; a run folder holds {STATUS}, and lies under "
            "outputs/runs or outputs/multiruns"
        )
    return [read_run(folder) for folder in found.values()]


def read_run(folder: Path) -> RunRecord:
    """One run folder, whatever state it is in."""
    state, reason, started = _status(folder)
    result = _json(folder / RESULT)
    if result is not None and (broken := _broken(result)):
        result, state, reason = None, "unreadable", broken
    elif result is not None and not _vouched(folder):
        result, state, reason = (
            None,
            "unreadable",
            f"{RESULT} was damaged or edited; delete the folder and run it again",
        )
    elif result is None and (folder / RESULT).exists():
        state, reason = "unreadable", f"{RESULT} cannot be read; delete the folder and run it again"
    elif result is None and state == "finished":
        state, reason = "incomplete", f"{RESULT} is missing"
    try:
        overrides = tuple(harmless(_text(folder / "overrides.txt")).splitlines())
    except (OSError, ValueError):
        overrides = ()
    return RunRecord(folder, state, reason, overrides, _json(folder / "environment.json") or {}, started, result)


def checked(run: RunRecord, *readers: Callable[[RunRecord], object]) -> RunRecord:
    """The run with its outcomes read, or without a result where they, or what `readers` want of it, cannot be."""
    if run.result is None:
        return run
    try:
        for read in (lambda run: run.outcomes, *readers):
            read(run)
    except UserError as error:
        return replace(run, state="unreadable", reason=str(error), result=None)
    except Exception as error:  # whatever stands where numbers should: the others have their report all the same
        reason = f"{RESULT} does not read as one ({type(error).__name__}: {error}); delete the folder and run it again"
        return replace(run, state="unreadable", reason=harmless(shortened(reason)), result=None)
    return run


def missing_cells(folder: Path, runs: Sequence[RunRecord]) -> list[tuple[str, ...]]:
    """Overrides of the jobs that a sweep was to hold, as it wrote down when it began, and has not begun."""
    jobs = (_json(folder / JOBS) or {}).get("jobs", [])
    begun = {run.overrides for run in runs}
    listed = [tuple(job) for job in jobs if isinstance(job, list)] if isinstance(jobs, list) else []
    return [job for job in listed if job not in begun and all(isinstance(word, str) for word in job)]


def _vouched(folder: Path) -> bool:
    try:
        return RunFolder(folder).vouched()
    except (OSError, ValueError, TypeError):  # the status is damaged itself
        return not (folder / STATUS).exists()


def _status(folder: Path) -> tuple[str, str, str]:
    """State, reason, and when the run began."""
    try:
        status = RunFolder(folder).status()
    except (OSError, ValueError, TypeError):
        return "unreadable", f"{STATUS} cannot be read", "–"
    if status is None:
        return "missing", f"there is no {STATUS}", "–"
    return harmless(str(status.state)), harmless(str(status.reason)), harmless(str(status.started))


def _broken(result: dict[str, Any]) -> str:
    """What keeps this result out of a report, in a sentence; empty where nothing does."""
    again = "; delete the folder and run it again"
    if lacking := sorted(NEEDED.keys() - result.keys()):
        return f"{RESULT} lacks {', '.join(lacking)}{again}"
    for name, kind in NEEDED.items():
        if not isinstance(result[name], kind) or isinstance(result[name], bool):
            return f"{RESULT} has a {type(result[name]).__name__} for {name}{again}"
    if not all(isinstance(label, str) for label in result["labels"].values()):
        return f"{RESULT} has labels that are no words{again}"
    return ""


def _json(file: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(_text(file))
        return _harmless(unsealed(value)) if isinstance(value, dict) else None
    except (OSError, ValueError, RecursionError):
        return None


def _text(file: Path) -> str:
    if not file.is_file():  # also where it is a link to a device, which may never end
        raise FileNotFoundError(file)
    return file.read_text(encoding="utf-8")


def _harmless(value: Any) -> Any:
    """The same with nothing in its words that steers a terminal."""
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, list):
        return [_harmless(item) for item in value]
    if isinstance(value, dict):
        return {harmless(key): _harmless(item) for key, item in value.items()}
    return value


def _natural(folder: Path) -> tuple[Any, ...]:
    """Job 10 comes after job 9."""
    return tuple((len(part), part) if part.isdigit() else (0, part) for part in folder.parts)
