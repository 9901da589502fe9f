"""The Weights & Biases view of a run: it shows what the run folder holds, and its failures never reach the run."""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wm_lab.domains import Positive
from wm_lab.errors import UserError
from wm_lab.reports.moving import as_gif
from wm_lab.tracking.patience import Late, Patience
from wm_lab.tracking.wandb_server import first_line, has_key, leave_service, unanswered, without_home

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0  # wandb's own 15 s lose the whole run, config included, to an early kill
PROBE_SHARE = 0.25  # of init_timeout: how long the server may take to answer at all
LONGEST_TAG = 64  # the server refuses longer ones
LONGEST_NAME = 128  # of projects, groups and runs
NO_PROJECT = "/\\#?%:"  # characters that no project has
FINISH_LATER = 10.0  # wandb's own limit at the end lies so far beyond ours, which is the one that is told
ID_FILE = "wandb_id.txt"
YES = ("1", "true", "yes", "on")  # of WANDB_DISABLED


class Mode(Enum):
    """Where a run is shown."""

    auto = "auto"
    """Online if this machine has a key for the server, offline otherwise; WANDB_MODE decides where it is set."""
    online = "online"
    offline = "offline"
    """Into the run folder only; `wandb sync` uploads it later."""
    disabled = "disabled"


@dataclass
class TrackingConfig:
    """Where and under which names a run is shown."""

    mode: Mode = Mode.auto
    """Auto (online if this machine has a key, offline otherwise), online, offline or disabled."""
    project: str = "wm_lab"
    """Project of Weights & Biases."""
    entity: str | None = None
    """User or team of Weights & Biases; null: whose key it is."""
    group: str | None = None
    """Runs of one sweep share a group."""
    name: str | None = None
    """Of the run; null: its folder's."""
    tags: list[str] = field(default_factory=list)
    """Labels to find the run by."""
    rerun: bool = False
    """Episodes and imaginations for Rerun's viewer, as recording.rrd in the run folder."""
    init_timeout: Positive = 20.0
    """Seconds that a server which fails may cost a run altogether; what it then lacks is kept in the run folder."""

    def __post_init__(self) -> None:
        for option in ("project", "entity", "group", "name"):
            value = getattr(self, option)
            if value is not None and not 1 <= len(value.strip()) <= LONGEST_NAME:
                raise UserError(
                    f"tracking.{option} has {len(value)} characters; Weights & Biases takes 1 to {LONGEST_NAME}"
                )
        if found := [character for character in NO_PROJECT if character in self.project]:
            raise UserError(
                f"tracking.project={self.project!r} holds {' '.join(found)}, which Weights & Biases refuses; use "
                "letters, digits, _ - and ."
            )
        for tag in self.tags:
            if not 1 <= len(tag) <= LONGEST_TAG:
                raise UserError(f"tracking.tags: {tag!r} has {len(tag)} characters; use 1 to {LONGEST_TAG}")


class Tracker:
    """One wandb run inside a run folder; the same folder again continues the same wandb run.

    folder: the run folder; wandb's files go to <folder>/wandb
    config: the resolved configuration, as plain dicts
    """

    Config = TrackingConfig

    def __init__(
        self, config: TrackingConfig, folder: Path, settings: Mapping[str, Any], job_type: str | None = None
    ) -> None:
        self._config = config
        self._known: set[str] = set()
        self._warned = False
        self._run: Any = None
        self._patience = Patience(config.init_timeout)
        with self._harmless("could not start"):
            self._run = self._open(folder, dict(settings), job_type)

    def log(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Show numbers against the step axis of their own family: "train/loss" against "train/step"."""
        with self._harmless("lost some numbers"):
            row: dict[str, float | int] = {}
            for name, value in scalars.items():
                axis = self._axis(name)
                row |= {axis: step, name: value}
            self._log(row)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        with self._harmless(f"lost the table {name}"):
            self._show(name, "Table", columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)

    def image(self, name: str, path: Path) -> None:
        with self._harmless(f"lost the image {name}"):
            if path.suffix == ".svg":  # wandb takes pixels only, but shows any HTML
                self._show(name, "Html", path.read_text(encoding="utf-8"), inject=False)
            else:
                self._show(name, "Image", str(path))

    def video(self, name: str, path: Path) -> None:
        with self._harmless(f"lost the video {name}"), TemporaryDirectory() as folder:
            if self._run and path.suffix == ".webp":  # which wandb does not take
                path = as_gif(path, Path(folder))
            self._show(name, "Video", str(path), format=path.suffix.lstrip("."))

    def html(self, name: str, path: Path) -> None:
        with self._harmless(f"lost the page {name}"):
            self._show(name, "Html", path.read_text(encoding="utf-8"), inject=False)

    def summary(self, values: Mapping[str, Any]) -> None:
        """The run's final numbers, beside the last value of each curve."""
        with self._harmless("lost the summary"):
            if self._run:
                self._patience(self._run.summary.update, dict(values))

    def finish(self, exit_code: int) -> None:
        """Close the wandb run, as failed unless `exit_code` is 0; what cannot be uploaded in time stays on disk."""
        with self._harmless("did not close in time"):
            if self._run:
                self._patience(self._run.finish, exit_code=exit_code)
        self._run = None

    def _open(self, folder: Path, settings: dict[str, Any], job_type: str | None) -> Any:
        """The wandb run, online if that is wished and possible, or None when tracking is disabled."""
        if self._wished() is Mode.disabled:
            return None
        # wandb's own error reports go to the same server and would wait 20 s for it when Python exits.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
        without_home(folder)
        import wandb  # 0.6 s, which runs without tracking need not pay

        known = wandb.setup().settings
        mode = self._wished()
        if mode is Mode.auto:
            mode = Mode.online if known.api_key or has_key(known.base_url) else Mode.offline

        def init(mode: Mode) -> Any:
            return wandb.init(
                mode="online" if mode is Mode.online else "offline",
                dir=str(folder),
                id=_run_id(folder),
                resume="allow" if mode is Mode.online else None,  # offline files are joined by `wandb sync`
                reinit="create_new",  # a run that was left open must not swallow this one's rows
                config=settings,
                job_type=job_type,
                project=self._config.project,
                entity=self._config.entity,
                group=self._config.group,
                name=self._config.name,
                tags=list(self._config.tags) or None,
                settings=wandb.Settings(
                    init_timeout=max(1.0, self._patience.left),
                    finish_timeout=self._config.init_timeout + FINISH_LATER,
                    x_transaction_log_flush_interval=FLUSH_SECONDS,
                ),
            )

        if mode is not Mode.online:
            self._patience.end()
            return init(mode)
        began = time.monotonic()
        share = PROBE_SHARE * self._config.init_timeout
        try:
            problem = Patience(share)(unanswered, known.base_url, share)
        except Late as late:  # it answers, a letter now and then
            problem = str(late)
        if problem is None:
            try:
                return init(Mode.online)
            except Exception as error:  # a wrong key, a refusing or silent server: none is worth the run
                problem = first_line(error)
            self._patience.spend(time.monotonic() - began)
            leave_service()  # it keeps the id of a start that failed for itself, or died of an answer
        self._patience.end()
        run = init(Mode.offline)
        log.warning(
            "Weights & Biases at %s cannot be used (%s): tracking offline; `wandb sync %s` uploads it later",
            known.base_url,
            problem,
            _kept(run),
        )
        return run

    def _wished(self) -> Mode:
        if self._config.mode is Mode.auto and os.environ.get("WANDB_DISABLED", "").lower() in YES:
            return Mode.disabled
        from_environment = os.environ.get("WANDB_MODE", "")
        if self._config.mode is Mode.auto and from_environment in Mode.__members__:
            return Mode[from_environment]
        return self._config.mode

    def _axis(self, name: str) -> str:
        """The step axis of a number, made known to wandb at the number's first appearance."""
        family, slash, _ = name.partition("/")
        axis = f"{family}/step" if slash else "step"
        if name not in self._known and self._run:
            self._patience(self._run.define_metric, axis, hidden=True)
            self._patience(self._run.define_metric, name, step_metric=axis)
            self._known.add(name)
        return axis

    def _show(self, name: str, kind: str, *arguments: Any, **options: Any) -> None:
        if self._run:
            import wandb

            # Making a table or an image may ask the server too.
            self._patience(lambda run: run.log({name: getattr(wandb, kind)(*arguments, **options)}), self._run)

    def _log(self, row: Mapping[str, Any]) -> None:
        if self._run:
            self._patience(self._run.log, dict(row))

    @contextmanager
    def _harmless(self, consequence: str) -> Iterator[None]:
        """Say the first failure and go on: the run folder has everything that is lost here."""
        try:
            yield
        except (Late, ConnectionError) as lost:  # its server is silent, or the client's own service is no more
            run, self._run = self._run, None
            log.warning(
                "Weights & Biases %s (%s); the run goes on without it%s",
                consequence,
                first_line(lost),
                f", and `wandb sync {_kept(run)}` uploads the rest later" if run else "",
            )
            self._warned = True
            leave_service()
        except Exception as error:
            if not self._warned:
                log.warning("Weights & Biases %s (%s); the run goes on", consequence, first_line(error))
            self._warned = True


def _run_id(folder: Path) -> str:
    """The wandb id of this run folder: made at the first call, or given by the agent of a W&B sweep."""
    file = folder / ID_FILE
    if os.environ.get("WANDB_SWEEP_ID") and (given := os.environ.get("WANDB_RUN_ID")):
        file.write_text(f"{given}\n")
        return given
    if file.exists() and re.fullmatch(r"[a-z0-9]{8}", found := file.read_text().strip()):
        return found
    new = secrets.token_hex(4)
    file.write_text(f"{new}\n")
    return new


def _kept(run: Any) -> str:
    """The folder of a wandb run's local copy."""
    return str(Path(run.settings.sync_dir))
