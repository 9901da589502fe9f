"""Trainings that go on side by side, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.experiment.test_online import learning
from wm_lab.experiment.experiment import Experiment
from wm_lab.store import Store

TRAINS = """
import sys
from tests.experiment.test_online import learning
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.side_by_side import ModelJob, _trainer
_trainer(Experiment, learning(sys.argv[1], data={"rounds": 0}))((0, ModelJob(0, 0, None)))
"""

PATIENCE = 120.0
"""Seconds in which a worker must have said something."""


def test_a_worker_says_whom_it_waits_for_and_not_how_far_it_is(tmp_path):
    with Experiment(learning(tmp_path, data={"rounds": 0})) as experiment:
        recipe = experiment.models.model_training().recipe
    other = Store(tmp_path)
    assert other.reserve("model", recipe)
    here = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", TRAINS, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    patience = threading.Timer(PATIENCE, worker.kill)
    patience.start()
    try:
        assert worker.stderr is not None
        assert f"which is being built by process {os.getpid()} on" in worker.stderr.readline()
        other.release()
        assert worker.stderr.read() == ""
        assert worker.wait() == 0 and other.path("model", recipe).exists()
    finally:
        patience.cancel()
        worker.kill()
