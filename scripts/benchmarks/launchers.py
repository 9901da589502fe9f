"""What a sweep costs beside its work: jobs that do nothing, composed and launched as `wm-lab -m` does it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import hydra
from measure import Row, size
from omegaconf import DictConfig

from wm_lab import main

FEW, MANY = 2, 22  # jobs, of which the difference is told
LARGEST_S = {"basic": 0.1, "joblib": 0.2}


def run() -> list[Row]:
    rows = []
    for launcher, target in LARGEST_S.items():
        most = size(MANY, FEW + 1)
        few, many = (sweep_seconds(launcher, jobs) for jobs in (FEW, most))
        rows.append(Row(f"each further job of a sweep, {launcher}", (many - few) / (most - FEW), "s", target))
    return rows


def sweep_seconds(launcher: str, jobs: int) -> float:
    """CPU seconds of a whole sweep in processes of its own."""
    options = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    seeds = ",".join(map(str, range(jobs)))
    before = os.times()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "-m", f"hydra/launcher={launcher}", *options, f"seed={seeds}"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        done = len(list(Path(folder).glob("outputs/multiruns/*/[0-9]*")))
    assert done == jobs, f"{done} of {jobs} jobs ran"
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def nothing(cfg: DictConfig) -> None:
    """A job whose work is free."""


if __name__ == "__main__":
    hydra.main(version_base="1.3", config_path=str(main.CONF), config_name="config")(nothing)()
