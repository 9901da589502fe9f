"""A sweep as a whole: what it is to hold and where, and the report that it ends in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from wm_lab.command_line.hydra_internals import basic_sweeper, replace_config_loader
from wm_lab.errors import MISTAKE, UserError, complain
from wm_lab.evaluation.json_files import write_json
from wm_lab.launchers.composition import SweepLoader
from wm_lab.launchers.rest import subdir_of
from wm_lab.launchers.resume import LOCK, command, place
from wm_lab.reports.chapters import title_of
from wm_lab.reports.runs import JOBS, STATUS
from wm_lab.reports.sweep_report import SweepAnswer, answer_sweep, write_report
from wm_lab.reports.terminal import print_answer
from wm_lab.settings import plain_values, read_config
from wm_lab.system.code import code_hash
from wm_lab.tracking.run_folder import remove_empty
from wm_lab.tracking.wandb_run import Tracker, TrackingConfig

REPORT = "report"
"""Job type of the tracker's run that holds a sweep's tables and page."""

REST = "hydra_plugins.wm_lab_rest.RestSweeper"
"""Stands for Hydra's own sweeper."""

JOBLIB = "hydra_plugins.wm_lab_joblib.MortalLauncher"
"""Stands for hydra/launcher=joblib."""

OWN = {JOBS, LOCK, "multirun.yaml"}
"""Files of a sweep's folder before any job; the last one is Hydra's."""


class SweepWatch(Callback):
    """Hears from Hydra what is swept, before any job: the only hook that is also called when a job fails."""

    current: ClassVar[Sweep | None] = None
    user_code: ClassVar[list[Path]] = []

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        loader = SweepLoader(GlobalHydra.instance().config_loader())
        replace_config_loader(loader)
        try:
            jobs = jobs_of(config, loader)
            require_own_folders(config, loader, jobs)
            asked = {"jobs": jobs, "code": code_hash(self.user_code), "command": command(sys.argv[1:])}
            wanted = Path(config.hydra.sweep.dir).absolute()
            theirs = wanted.exists()
            folder, lock = place(wanted, asked)
            tracking = read_config(TrackingConfig, plain_values(config.tracking), "tracking")
        except (UserError, OSError) as error:  # Hydra makes a warning of a callback's exception and would go on
            complain(error)
            sys.exit(MISTAKE)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir = str(folder)
            if jobs:
                config.hydra.sweeper._target_ = REST
            if config.hydra.launcher._target_.endswith(".JoblibLauncher"):
                config.hydra.launcher._target_ = JOBLIB
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir='{folder}'")  # every job is composed from these
        write_json(folder / JOBS, asked)
        ours = folder == wanted and not theirs
        SweepWatch.current = Sweep(folder, lock, tracking, Path(config.outputs).expanduser().absolute(), ours)


class Sweep:
    """A sweep that runs, in a folder that is its own until it is closed."""

    def __init__(self, folder: Path, lock: FileLock, tracking: TrackingConfig, outputs: Path, made: bool) -> None:
        """made: whether this process made the folder, which otherwise is never removed."""
        self.folder, self._lock, self._tracking, self._outputs = folder, lock, tracking, outputs
        self._made = made

    def close(self) -> None:
        """Say what its runs say together, on the terminal, in its folder and in the tracker."""
        try:
            # Where none of them began there is nothing to say.
            if any(self.folder.rglob(STATUS)) and (answer := answer_sweep([self.folder])) is not None:
                print_answer(answer, self._write(answer))
        finally:
            self._lock.release()
            self._forget()

    def _forget(self) -> None:
        """Leave nothing of a sweep that was refused before any work."""
        if self._made and {file.name for file in self.folder.iterdir()} <= OWN:
            for name in OWN:
                (self.folder / name).unlink(missing_ok=True)
            remove_empty(self.folder, self._outputs)

    def _write(self, answer: SweepAnswer) -> Path:
        """The report's page, or the folder where a full disk takes no more: the answer is told in any case."""
        try:
            page = write_report(self.folder, title_of(answer.chapters, f"sweep {self.folder.name}"), answer)
        except OSError as error:
            again = f"wm-lab-report {self.folder} --output FOLDER"
            complain(f"the report cannot be written ({error}); free some space, then {again}")
            return self.folder
        self._show(answer, page)
        return page

    def _show(self, answer: SweepAnswer, page: Path) -> None:
        """One run of the sweep's group with its tables and its page."""
        self._tracking.group = self._tracking.group or self.folder.name
        self._tracking.name = self._tracking.name or f"{REPORT} {self.folder.name}"
        tracker = Tracker(self._tracking, self.folder, {}, REPORT)
        for table in [*answer.tables, *answer.details]:
            tracker.table(table.title, table.columns, table.rows)
        tracker.html(REPORT, page)
        tracker.summary({"verdicts": answer.verdicts})
        tracker.finish(0)


def require_own_folders(config: DictConfig, loader: SweepLoader, jobs: list[list[str]]) -> None:
    """UserError where two jobs would be written to one folder, the second over the first."""
    if "hydra.job.num" in str(OmegaConf.to_container(config.hydra.sweep)).replace(":", "."):
        return
    folders: dict[str, list[str]] = {}
    for number, overrides in enumerate(jobs):
        folder = subdir_of(config, loader, number, overrides)
        if folder is not None and (other := folders.setdefault(folder, overrides)) is not overrides:
            raise UserError(
                f"hydra.sweep.subdir={folder} is the folder of {' '.join(other)} and of {' '.join(overrides)}; have it "
                "hold what differs between them, or ${hydra.job.num}"
            )


def jobs_of(config: DictConfig, loader: SweepLoader) -> list[list[str]]:
    """Overrides of every job that Hydra's own sweeper will start; nothing of sweepers that choose as they go.

    UserError where a glob matches nothing, of which Hydra would make a sweep without a job.
    """
    sweeper = config.hydra.sweeper
    if not sweeper._target_.endswith(basic_sweeper.BasicSweeper.__name__):
        return []
    swept = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]  # of a configuration that is a sweep
    parsed = OverridesParser.create(loader).parse_overrides([*swept, *config.hydra.overrides.task])
    for override in parsed:
        if override.is_sweep_override() and next(override.sweep_string_iterator(), None) is None:
            known = ", ".join(loader.get_group_options(override.key_or_group))
            raise UserError(f"{override.input_line} matches none of: {known or 'nothing, since it is no group'}")
    return [job for batch in basic_sweeper.BasicSweeper.split_arguments(parsed, None) for job in batch]
