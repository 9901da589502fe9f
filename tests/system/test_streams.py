"""A command that is started from an odd place says so in a sentence, whatever it is told to write to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.entry.command import ROOT

WM_LAB = f"PYTHONPATH={ROOT} {sys.executable} -m wm_lab"


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            f"mkdir gone && cd gone && rmdir ../gone && {WM_LAB} scale=smoke",
            "the folder that this is called from is gone",
        ),
        (f"ulimit -v 1200000; {WM_LAB} scale=smoke", "1.2 GB of address space, and PyTorch needs 1.5"),
        (f"{WM_LAB} model=rsm >&-", "unknown option of model 'rsm'"),
        (f"PYTHONIOENCODING=ascii LC_ALL=C {WM_LAB} model=rsm", "unknown option of model 'rsm'"),
    ],
)
def test_an_odd_place_is_one_sentence(tmp_path, script, words):
    ended = shell(script, tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith("wm-lab: ") and len(ended.stderr.splitlines()) == 1 and words in ended.stderr


@pytest.mark.slow
def test_nothing_is_lost_where_nobody_listens_or_only_ascii_is_understood(tmp_path):
    small = "model=simulator scale=smoke tracking=disabled exercise.episodes=2 exercise.oracle_episodes=2 workers=1"
    assert shell(f"{WM_LAB} {small} >&- 2>&-", tmp_path).returncode == 0
    told = shell(f"PYTHONIOENCODING=ascii LC_ALL=C {WM_LAB} {small}", tmp_path)
    assert told.returncode == 0 and "results: " in told.stdout
    assert len(list(tmp_path.glob("outputs/runs/*/result.json"))) == 2
