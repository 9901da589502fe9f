"""What is installed from a wheel runs from any folder, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.entry.command import ROOT

pytestmark = pytest.mark.slow


def pip(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PIP_RETRIES": "0", "PIP_TIMEOUT": "5"},
    )


def test_a_built_wheel_runs_from_another_folder(tmp_path):
    built = pip("wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    if built.returncode:
        pytest.skip(f"no wheel can be built here: {built.stderr.strip().splitlines()[-1]}")
    (wheel,) = tmp_path.glob("wm_lab-*.whl")
    site = tmp_path / "site"
    assert pip("install", "--no-deps", "--no-index", "--target", site, wheel).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shown = subprocess.run(
        [sys.executable, "-m", "wm_lab", "--info", "searchpath", "task=hand/push"],
        capture_output=True,
        text=True,
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        timeout=120,
    )
    assert shown.returncode == 0, shown.stderr
    assert str(site / "wm_lab" / "conf") in shown.stdout, "the wheel carries its own YAML"
    assert (site / "hydra_plugins" / "wm_lab_ray.py").is_file(), "and its launcher"
