"""`hydra/launcher=ray`: the jobs of a sweep as tasks of a Ray cluster that is already there.

Hydra takes launchers from the namespace `hydra_plugins` alone; this folder joins it, so it must have no `__init__.py`.
Nor are annotations strings here: Hydra runs this file before it is a module, where a dataclass could not read them.
All machines see the same files: jobs run in the folder that the sweep was started from, with its Python path.
"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from wm_lab.errors import UserError

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds for the head node to answer

CARRIED = ("HYDRA_", "WANDB_", "WM_LAB_")
"""Environment variables with these beginnings go along with each job."""


@dataclass
class RayConfig:
    _target_: str = f"{__name__}.RayLauncher"
    address: str = "auto"
    """host:port of the cluster's head, ray://host:port of its client server, or auto: the cluster of this machine."""
    num_cpus: float = 1.0
    """What Ray sets aside for each job; `workers` says how many processes the job then uses."""
    num_gpus: float = 0.0
    max_retries: int = 3
    """How often a job whose machine was lost starts anew elsewhere, from its checkpoints."""


class RayLauncher(Launcher):
    """See `RayConfig`. Raises UserError where Ray is not installed or no cluster answers."""

    def __init__(self, address: str, **resources: Any) -> None:
        self.address, self.resources = address, resources

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        answer_to_sigterm = signal.getsignal(signal.SIGTERM)
        ray = connect(self.address)
        try:
            Path(self.config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
            submit = ray.remote(**self.resources)(run_here).remote
            state, jobs = Singleton.get_state(), []
            for number, overrides in enumerate(job_overrides, initial_job_idx):
                log.info("#%d: %s", number, " ".join(filter_overrides(overrides)))
                config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
                with open_dict(config):
                    config.hydra.job.id, config.hydra.job.num = f"ray-{number}", number
                jobs.append((config, submit(str(Path.cwd()), self.context, self.task, config, state)))
            return [finished(ray, config, job) for config, job in jobs]
        finally:
            ray.shutdown()
            signal.signal(signal.SIGTERM, answer_to_sigterm)  # Ray leaves its own behind


def connect(address: str) -> Any:
    """The module `ray`, connected to the cluster at `address`."""
    try:
        import ray
    except ImportError as error:
        raise UserError("hydra/launcher=ray needs Ray; pip install 'wm_lab[ray]'") from error
    remedy = "start one with `ray start --head`, or name yours by hydra.launcher.address=HOST:PORT"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    environment = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        if port.isdigit():  # Ray itself would ask for minutes
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address, runtime_env={"env_vars": environment}, logging_level=logging.WARNING)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"no Ray cluster can be reached at {address!r} ({first_line(error)}); {remedy}") from error
    return ray


def run_here(folder: str, context: HydraContext, task: TaskFunction, config: DictConfig, state: Any) -> JobReturn:
    """One job, on whatever machine Ray chose."""
    setup_globals()
    Singleton.set_state(state)
    with chdir(folder):
        return run_job(
            hydra_context=context,
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )


def finished(ray: Any, config: DictConfig, job: Any) -> JobReturn:
    """Wait for a job; one that Ray lost has failed, and the others go on."""
    try:
        result: JobReturn = ray.get(job)
        return result
    except ray.exceptions.RayError as error:
        lost = UserError(f"Ray lost a job of the sweep ({first_line(error)}); the same command goes on from there")
        return JobReturn(cfg=config, status=JobStatus.FAILED, _return_value=lost)


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayConfig, provider="wm_lab")
