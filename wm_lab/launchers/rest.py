"""What is left of a sweep that goes on: what lies before its first and behind its last unfinished cell is not launched.

That is one stretch, since launchers count their jobs and a job's number names its folder. Finished cells within it are
left alone by their own processes (`main.job`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from wm_lab.launchers.resume import finished_before

log = logging.getLogger(__name__)


class Rest(Launcher):
    """Launches by `launcher` what is left of the sweep that `config` describes."""

    def __init__(self, launcher: Launcher, loader: ConfigLoader, config: DictConfig) -> None:
        self.launcher, self.loader, self.config = launcher, loader, config

    def setup(self, **_: Any) -> None:
        """Done already, of the launcher within."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        jobs = list(enumerate(job_overrides, initial_job_idx))
        while jobs and self._is_finished(*jobs[0]):
            jobs.pop(0)
        while jobs and self._is_finished(*jobs[-1]):
            jobs.pop()
        return self.launcher.launch([overrides for _, overrides in jobs], jobs[0][0]) if jobs else []

    def _is_finished(self, number: int, overrides: Sequence[str]) -> bool:
        """Whether the job's folder holds the result of what it would run; where in doubt, its own process decides."""
        job = self.loader.load_sweep_config(self.config, list(overrides))
        outer = HydraConfig.instance().cfg
        try:
            with open_dict(job):
                job.hydra.job.num = number
                HydraConfig.instance().set_config(job)  # ${hydra:job.num} is this job's
                folder = Path(job.hydra.sweep.dir, str(job.hydra.sweep.subdir)).absolute()
                del job.hydra
            done = finished_before(folder, partial(OmegaConf.to_yaml, job, resolve=True)) is not None
        except OmegaConfBaseException:  # hydra.job.id, which launchers give
            return False
        finally:
            HydraConfig.instance().cfg = outer
        if done:
            log.info("finished before: %s", folder)
        return done


def subdir_of(config: DictConfig, loader: ConfigLoader, number: int, overrides: Sequence[str]) -> str | None:
    """Where the job is written, within the sweep's folder; None where only its launcher will know."""
    job = loader.load_sweep_config(config, list(overrides))
    outer = HydraConfig.instance().cfg
    try:
        with open_dict(job):
            job.hydra.job.num = number
            HydraConfig.instance().set_config(job)  # ${hydra:job.num} is this job's
            return str(job.hydra.sweep.subdir)
    except OmegaConfBaseException:  # hydra.job.id, which launchers give
        return None
    finally:
        HydraConfig.instance().cfg = outer
