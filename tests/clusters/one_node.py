"""SLURM on this machine alone, on loopback: the daemons of Debian's packages `slurm-wlm` and `munge`."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")

PATIENCE = 30.0  # seconds for a daemon to answer

CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
AuthInfo=socket={folder}/munge.socket,cred_expire={hold}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SlurmdParameters=config_overrides
KillWait=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

HOLD = 5
"""Seconds for which a requeued job is held back: the lifetime of its credentials, 120 on a cluster left as it is."""


def missing() -> list[str]:
    """Programs of SLURM that this machine lacks; they are looked for where Debian puts daemons, too."""
    return [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]


@contextmanager
def one_node(folder: Path) -> Iterator[dict[str, str]]:
    """A cluster of this machine, kept in `folder`; yields the environment variables that its commands need."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    config = folder / "slurm.conf"
    ports = [_free_port() for _ in range(2)]
    values = {"folder": folder, "host": socket.gethostname().partition(".")[0], "user": getpass.getuser()}
    config.write_text(CONFIG.format(**values, controller=ports[0], node=ports[1], hold=HOLD))
    environment = {"SLURM_CONF": str(config), "PATH": _path()}
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "pid", "log", "seed")]
    with ExitStack() as daemons:

        def start(*command: str) -> None:
            log = daemons.enter_context((folder / f"{command[0]}.log").open("wb"))
            daemon = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment)
            daemons.callback(_stop, daemon)

        start("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge)
        _wait_until(lambda: (folder / "munge.socket").exists(), folder)
        start("slurmctld", "-D")
        start("slurmd", "-D")
        _wait_until(lambda: "idle" in _ask(environment, "sinfo", "--noheader", "--format=%T"), folder)
        try:
            yield environment
        finally:  # a job has answered before its last process has left
            _ask(environment, "scancel", f"--user={getpass.getuser()}")
            _wait_until(lambda: not _ask(environment, "squeue", "--noheader"), folder)


def _ask(environment: dict[str, str], *command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment).stdout


def _wait_until(condition: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in folder.glob("*.log"))
            raise TimeoutError(f"SLURM did not answer as it should within {PATIENCE:.0f} s\n{logs}")
        time.sleep(0.1)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
