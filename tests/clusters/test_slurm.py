"""A sweep as jobs of a real SLURM cluster of one node."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.entry.command import QUIET, SMALL, artifacts, runs, wm_lab
from wm_lab.tracking.run_folder import RunFolder
from wm_lab.training.checkpoint import read
from wm_lab.training.trainer import BEST, LAST

pytestmark = pytest.mark.slow

SLURM = ("hydra/launcher=slurm", "workers=1")


def test_a_sweep_runs_as_slurm_jobs_and_ends_in_one_comparison(furnished, slurm):
    sweep = wm_lab(furnished, "-m", *SMALL, *SLURM, "planner=cem,random_shooting", **slurm)
    assert sweep.code == 0, sweep.err
    results = [json.loads((run / "result.json").read_text()) for run in runs(furnished)]
    assert [result["labels"]["planner"] for result in results] == ["cem", "random_shooting"]
    assert "Comparison" in sweep.out and "random_shooting" in sweep.out


def test_a_preempted_job_comes_back_and_ends_with_the_weights_of_one_that_was_left_alone(furnished, slurm, tmp_path):
    training = ("trainer.steps=60", "trainer.batch=4", "trainer.validate=6", "trainer.save_seconds=0.1")
    command = (*QUIET, "model=latent_mlp", "exercise=imagination", *training)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(furnished / "outputs", undisturbed / "outputs")
    before = set(artifacts(furnished, "model"))

    with ThreadPoolExecutor() as beside:
        preempted = beside.submit(preempt_in_training, furnished, slurm)
        sweep = wm_lab(furnished, "-m", *command, *SLURM, **slurm)
        met = preempted.result()
    assert sweep.code == 0, sweep.err
    assert met["state"] == "interrupted" and met["reason"] == "sent back to the queue"
    (run,) = runs(furnished)
    assert RunFolder(run).status().state == "finished"
    rows = {(row["step"], row["train/loss"]) for row in RunFolder(run).metrics() if "train/loss" in row}
    steps = sorted(step for step, _ in rows)
    assert steps == list(range(10, 61, 10)), "none was left out, and what was trained again came out the same"

    assert wm_lab(undisturbed, *command).code == 0
    (model,) = set(artifacts(furnished, "model")) - before
    one, other = (read(f / "outputs" / "store" / "model" / model / BEST) for f in (furnished, undisturbed))
    assert all(torch.equal(one["weights"][name], other["weights"][name]) for name in other["weights"])


def preempt_in_training(folder: Path, slurm: dict[str, str]) -> dict[str, Any]:
    """Send the preemption signal once the first checkpoint is there; returns the status that the run left behind."""

    def status() -> dict[str, Any]:
        return json.loads((runs(folder)[0] / "status.json").read_text())

    wait_until(lambda: any(folder.glob(f"outputs/store/model/.building-*/{LAST}")), "no checkpoint came")
    began = status()
    subprocess.run(["scancel", "--signal=USR2", f"--user={getpass.getuser()}"], env=os.environ | slurm, check=True)
    wait_until(lambda: status() != began, "the run did not hear of it")
    return status()


def wait_until(condition: Callable[[], object], words: str) -> None:
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline, words
        time.sleep(0.05)
