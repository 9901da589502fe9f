"""What is installed from a wheel runs from any folder, without the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import pytest

from tests.entry.command import ROOT

BY_ITSELF = {"README.md", "LICENSE", "pyproject.toml", ".gitignore"}
"""What hatch puts into every source distribution."""


def test_a_source_distribution_holds_what_its_tests_read():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    held = BY_ITSELF | {
        path.partition("/")[0] for path in settings["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    }
    read = {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r'\bROOT / "([^"/]+)', file.read_text(encoding="utf-8"))
        if (ROOT / name).exists() and (ROOT / name) != ROOT / ".venv"
    }
    assert {"docs", "scripts", ".ci", "README.md"} <= read <= held


def pip(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PIP_RETRIES": "0", "PIP_TIMEOUT": "5"},
    )


@pytest.mark.slow
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
