"""A sample of the walk over a full disk; `python -m tests.entry.full_disk` goes in smaller steps, by all commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.entry.command import ROOT
from tests.entry.full_disk import disk


@pytest.fixture
def mounted(tmp_path) -> Path:
    """A place where a file system of our own can be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounts a file system, which root can on Linux")
    try:
        with disk(tmp_path / "trial", 64):
            return tmp_path
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("this system lets nobody mount a file system")


@pytest.mark.slow
@pytest.mark.parametrize(("command", "extra"), [("planning", ""), ("export", "pyarrow")])
def test_a_full_disk_is_told_in_a_sentence_and_with_room_the_same_command_ends_in_the_same_numbers(
    mounted, command, extra
):
    if extra:
        pytest.importorskip(extra)
    walk = [sys.executable, "-m", "tests.entry.full_disk", "--only", command, "--step", "500"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(mounted)}
    ended = subprocess.run(walk, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0 and "full 0 times" not in ended.stdout, ended.stdout + ended.stderr
