"""The benchmark runs to its end; how fast things are is for a quiet machine to say."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.entry.command import ROOT


def benchmark(*words):
    command = [sys.executable, str(ROOT / "scripts" / "benchmarks"), *words]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_every_benchmark_prints_its_rows_in_a_quick_run(tmp_path):
    told = benchmark("--quick", "--json", str(tmp_path / "found.json"))
    names = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert all(row["name"] in told for row in names) and len({row["name"] for row in names}) == len(names)
    for name in ("start", "rssm", "clone", "planners", "lesson", "decisions", "collect", "token_imagination", "report"):
        assert f"({name}: " in told, f"{name} measured something"
    assert told.strip().endswith("no target is judged")


def test_two_files_of_measurements_stand_side_by_side(tmp_path):
    def write(name, torch, **values):
        rows = [
            {"name": row, "value": value, "unit": "ms", "target": None, "least": False} for row, value in values.items()
        ]
        (tmp_path / name).write_text(json.dumps({"machine": {"torch": torch, "cores": 2}, "rows": rows}))
        return str(tmp_path / name)

    old, new = write("a.json", "1", step=80.0, gone=1.0), write("b.json", "2", step=60.0, come=2.0)
    lines = benchmark("--compare", old, new).splitlines()
    assert lines[0] == "torch: 1 before, 2 after"
    assert [line.split() for line in lines[2:]] == [
        ["step", "80", "ms", "60", "ms", "0.750"],
        ["gone", "1", "ms"],
        ["come", "2", "ms"],
    ]
