"""What checks the code is as strict as it says, and runs in CI."""

from __future__ import annotations

import tomllib

from tests.entry.command import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def test_types_are_checked_strictly_and_everywhere():
    assert SETTINGS["mypy"]["strict"] and SETTINGS["mypy"]["files"] == ["wm_lab", "hydra_plugins"]
    assert "overrides" not in SETTINGS["mypy"]


def test_branches_returns_loops_dead_code_and_tests_are_linted():
    assert {"C90", "RET", "PERF", "ERA", "PT"} <= set(SETTINGS["ruff"]["lint"]["select"])


def test_ci_runs_every_check_and_the_slow_tests_too():
    steps = (ROOT / ".ci" / "run").read_text()
    for step in (".venv/bin/ruff check .", ".venv/bin/ruff format --check .", ".venv/bin/mypy\n", "mkdocs build"):
        assert step in steps
    assert "not slow" not in steps
