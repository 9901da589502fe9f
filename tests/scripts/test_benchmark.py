"""The benchmark runs to its end; how fast things are is for a quiet machine to say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.entry.command import ROOT

pytestmark = pytest.mark.slow


def test_every_benchmark_runs_to_its_end_at_its_smallest_size():
    command = [sys.executable, str(ROOT / "scripts" / "benchmarks"), "--smallest"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("rssm", "planners", "lesson", "decisions", "generation", "collect", "windows", "launchers", "report"):
        assert f"({name}: " in run.stdout, f"{name} measured something"
    assert run.stdout.strip().endswith("no target is judged")
