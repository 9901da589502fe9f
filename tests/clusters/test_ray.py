"""A sweep as tasks of a Ray cluster of two nodes, both of them on this machine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from unittest import mock

import pytest

from tests.entry.command import SMALL, runs, wm_lab
from tests.extras import need

pytestmark = pytest.mark.slow

RAY = "hydra/launcher=ray"


@pytest.fixture
def address() -> Iterator[str]:
    need("ray", "ray")
    # Without these Ray would write a token into the home folder and tell its makers of the test.
    quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    with mock.patch.dict(os.environ, quiet):
        from ray.cluster_utils import Cluster

        answer_to_sigterm = signal.getsignal(signal.SIGTERM)  # which a node replaces for good
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        try:
            cluster.add_node(num_cpus=1)
            yield cluster.address
        finally:
            cluster.shutdown()
            signal.signal(signal.SIGTERM, answer_to_sigterm)


def test_a_sweep_runs_on_the_nodes_of_a_cluster_and_ends_in_one_comparison(furnished, address):
    before = signal.getsignal(signal.SIGTERM)
    sweep = wm_lab(furnished, "-m", *SMALL, RAY, f"hydra.launcher.address={address}", "planner=cem,random_shooting")
    assert sweep.code == 0, sweep.err
    results = [json.loads((run / "result.json").read_text()) for run in runs(furnished)]
    assert [result["labels"]["planner"] for result in results] == ["cem", "random_shooting"]
    assert "Comparison" in sweep.out and "random_shooting" in sweep.out
    processes = {json.loads((run / "status.json").read_text())["pid"] for run in runs(furnished)}
    assert len(processes) == 2 and os.getpid() not in processes
    assert signal.getsignal(signal.SIGTERM) == before, "Ray's own answer to SIGTERM ends with the sweep"


def test_a_cluster_that_does_not_answer_is_one_sentence(tmp_path):
    need("ray", "ray")
    ended = wm_lab(tmp_path, "-m", *SMALL, RAY, "hydra.launcher.address=127.0.0.1:9", "seed=0,1")
    assert ended.code == 2
    assert "no Ray cluster can be reached at '127.0.0.1:9'" in ended.complaint and "ray start" in ended.complaint
