"""A sample of the campaign of kills and races; `python -m tests.entry.kills --kills 40 --races 8` runs more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.entry.command import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="looks for what is left of a command in /proc")
def test_a_command_that_is_killed_or_meets_its_like_ends_in_the_numbers_of_a_quiet_one():
    campaign = [sys.executable, "-m", "tests.entry.kills", "--kills", "2", "--races", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(campaign, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
