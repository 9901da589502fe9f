"""A sample of the campaign of random command lines; `python -m tests.entry.campaign 2000` runs it in full."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.entry.command import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process of one thread, as /proc tells")
def test_random_command_lines_are_accepted_or_refused_in_a_sentence():
    campaign = [sys.executable, "-m", "tests.entry.campaign", "8", "--seed", "16"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(campaign, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
