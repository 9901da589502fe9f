"""The run folder: the full record of a run in plain files, complete without any server.

    config.yaml       the resolved configuration           status.json    running, finished, failed or interrupted
    overrides.txt     what was typed                       result.json    the numbers, their intervals, the verdict
    environment.json  versions, machine, git               metrics.jsonl  one row a logged step
    plots/  tables/   pictures and CSV files               wandb/         the tracker's own files

Files that are written once appear whole or not at all; metrics.jsonl loses at most the row that a kill cut in two.
"""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

from wm_lab.errors import UserError
from wm_lab.system.names import file_name
from wm_lab.tracking.machine import environment
from wm_lab.tracking.plain import plain_value

RESULT = "result.json"

State = Literal["running", "finished", "failed", "interrupted", "killed"]


@dataclass(frozen=True)
class Status:
    """How a run stands. Times are ISO 8601 in UTC; `exit_code` and `ended` are None while it runs."""

    state: State
    reason: str
    exit_code: int | None
    pid: int
    host: str
    started: str
    ended: str | None
    result: str | None = None
    """sha256 of result.json; None where there is none, and of runs of before there were checksums."""


class RunFolder:
    """The files of one run; opening a folder again goes on where it was."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._began = time.monotonic()
        self._started = _now()
        self._metrics: IO[str] | None = None

    @property
    def plots(self) -> Path:
        """Folder for pictures and videos, made when asked for."""
        return self._folder("plots")

    def describe(self, config_text: str, overrides: Sequence[str], facts: Mapping[str, Any]) -> None:
        """Keep what the run was asked to do and where; `facts` are added to environment.json."""
        with self._spoken():
            self.path.mkdir(parents=True, exist_ok=True)
            _write(self.path / "config.yaml", config_text)
            _write(self.path / "overrides.txt", "".join(f"{override}\n" for override in overrides))
            _write_json(self.path / "environment.json", environment() | dict(facts))

    def begin(self) -> None:
        """Mark the run as running, by this process; an earlier attempt's answer is no longer this run's."""
        self._set_status("running", "", None)
        with self._spoken():
            (self.path / RESULT).unlink(missing_ok=True)

    def end(self, state: State, reason: str, exit_code: int) -> None:
        """Mark how the run ended."""
        if self._metrics:
            self._metrics.close()
        self._set_status(state, reason, exit_code)

    def log(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Append one row to metrics.jsonl: step, seconds since the start, and the numbers (null where not finite)."""
        row = plain_value({"step": step, "seconds": round(time.monotonic() - self._began, 3), **scalars})
        with self._spoken():
            if self._metrics is None:
                self._metrics = self._open_metrics()
            self._metrics.write(json.dumps(row) + "\n")
            self._metrics.flush()

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
        """Write tables/<name>.csv, the name in plain ASCII."""
        with self._spoken():
            path = self._folder("tables") / f"{file_name(name)}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([columns, *rows])
        return path

    def result(self, values: Mapping[str, Any]) -> Path:
        """Write result.json."""
        with self._spoken():
            return _write_json(self.path / RESULT, plain_value(values))

    def vouched(self) -> bool:
        """Whether result.json is what the run wrote, as far as its status can tell."""
        status = self.status()
        return status is None or status.result in (None, self._sum())

    def _sum(self) -> str | None:
        file = self.path / RESULT
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None

    def metrics(self) -> list[dict[str, Any]]:
        """All rows logged so far, by earlier attempts too."""
        file = self.path / "metrics.jsonl"
        if not file.exists():
            return []
        rows = []
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # the row that a kill cut in two
                continue
        return rows

    def status(self) -> Status | None:
        """How the run stands: None before it began, "killed" where its process is gone without a word."""
        file = self.path / "status.json"
        if not file.is_file():
            return None
        status = Status(**json.loads(file.read_text(encoding="utf-8")))
        if status.state == "running" and status.host == socket.gethostname() and not _alive(status.pid):
            return Status(**{**asdict(status), "state": "killed", "reason": "its process is gone"})
        return status

    def _set_status(self, state: State, reason: str, exit_code: int | None) -> None:
        ended = None if state == "running" else _now()
        with self._spoken():
            told = None if state == "running" else self._sum()
            status = Status(state, reason, exit_code, os.getpid(), socket.gethostname(), self._started, ended, told)
            _write_json(self.path / "status.json", asdict(status))

    def _open_metrics(self) -> IO[str]:
        file = (self.path / "metrics.jsonl").open("a+", encoding="utf-8")
        if file.tell() > 0 and not (self.path / "metrics.jsonl").read_bytes().endswith(b"\n"):
            file.write("\n")  # an earlier attempt was killed in the middle of a row
        return file

    def _folder(self, name: str) -> Path:
        with self._spoken():
            folder = self.path / name
            folder.mkdir(parents=True, exist_ok=True)
            return folder

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"the run folder {self.path} cannot be written ({error.strerror or error}); "
                "free some space, or make it writable, or choose another folder with hydra.run.dir=…"
            ) from error


def remove_empty(folder: Path, within: Path) -> None:
    """Remove `folder`, then those above it in `within`, as far as they hold nothing; no log goes there any more."""
    with suppress(OSError):
        for empty in (folder, *(above for above in folder.parents if above.is_relative_to(within))):
            empty.rmdir()
    if not folder.exists():
        root = logging.getLogger()
        for handler in [h for h in root.handlers if isinstance(h, logging.FileHandler)]:
            if Path(handler.baseFilename).is_relative_to(folder):
                root.removeHandler(handler)


def _write_json(path: Path, values: Any) -> Path:
    return _write(path, json.dumps(plain_value(values), indent=2, ensure_ascii=False) + "\n")


def _write(path: Path, text: str) -> Path:
    """Write under another name and rename, so that a reader or a kill never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _alive(pid: int) -> bool:
    if os.name != "posix":  # elsewhere there is no harmless way to ask
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's process now carries, or always carried, this number
        return True
    return True
