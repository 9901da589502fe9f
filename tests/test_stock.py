"""The store can be looked at, measured, pruned and verified; what a run uses or somebody builds is never taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from wm_lab.stock import take_stock
from wm_lab.store import Store
from wm_lab.store_command import main


@pytest.fixture
def outputs(tmp_path) -> Path:
    """A used model, an unused one of long ago, and a run."""
    store = Store(tmp_path / "store")
    places = [
        store.get("model", {"name": name}, lambda folder: (folder / "facts.json").write_text('{"a": 1}') and None)
        for name in ("used", "old")
    ]
    os.utime(places[1], (0, 0))
    run = tmp_path / "runs" / "first"
    run.mkdir(parents=True)
    used = [{"what": "world model", "seed": 0, "place": f"model/{places[0].name}"}]
    (run / "result.json").write_text(json.dumps({"store": "../../store", "used": used}))
    return tmp_path


def call(outputs: Path, *words: str) -> int:
    command, *rest = words
    return main([command, "--store", str(outputs / "store"), *rest])


def names(outputs: Path) -> list[str]:
    return sorted(folder.name.rpartition("-")[0] for folder in (outputs / "store" / "model").glob("[!.]*"))


def test_a_list_says_what_how_large_since_when_and_for_whom(outputs, capsys):
    assert call(outputs, "list") == 0
    told = capsys.readouterr().out
    assert "model/used-" in told and "first" in told and "1970-01-01" in told and "2 artifacts" in told
    assert call(outputs, "list", "--unused") == 0
    assert "model/used-" not in capsys.readouterr().out
    assert call(outputs, "du") == 0
    assert "all" in capsys.readouterr().out


def test_pruning_says_first_what_it_would_do_and_leaves_what_a_run_uses(outputs, capsys):
    assert call(outputs, "prune", "--older-than", "30d") == 0
    assert "1 artifacts" in capsys.readouterr().out and names(outputs) == ["old", "used"]
    assert call(outputs, "prune", "--older-than", "30d", "--yes") == 0
    assert "removed 1 artifacts" in capsys.readouterr().out and names(outputs) == ["used"]
    assert call(outputs, "prune", "--older-than", "0", "--yes") == 0 and names(outputs) == ["used"]
    assert [path.name for path in (outputs / "store" / "model").glob(".*")] == []


def test_a_run_that_does_not_say_what_it_uses_is_told(outputs, capsys):
    (outputs / "runs" / "first" / "result.json").write_text("{}")
    assert call(outputs, "prune") == 0
    assert "1 runs, such as first, are older than the record" in capsys.readouterr().out


def test_what_killed_builds_left_goes_unless_somebody_is_at_it(outputs):
    kind = outputs / "store" / "model"
    for key in ("dead", "alive"):
        (kind / f".building-{key}").mkdir()
        (kind / f".lock-{key}").touch()
        (kind / f".holder-{key}").touch()
    with FileLock(kind / ".lock-alive"):
        assert call(outputs, "prune", "--older-than", "0", "--yes") == 0
        assert sorted(path.name for path in kind.glob(".*")) == [".building-alive", ".holder-alive", ".lock-alive"]


def test_damage_is_found_and_named(outputs, capsys):
    assert call(outputs, "verify") == 0 and "2 artifacts are whole" in capsys.readouterr().out
    (damaged,) = (outputs / "store" / "model").glob("used-*")
    (damaged / "facts.json").write_text('{"a": ')
    (edited,) = (outputs / "store" / "model").glob("old-*")
    (edited / "recipe.json").write_text((edited / "recipe.json").read_text().replace("old", "new"))
    assert call(outputs, "verify") == 2
    told = capsys.readouterr()
    assert f"model/{damaged.name}: " in told.out and "it was edited" in told.out
    assert "2 of 2 artifacts are damaged" in told.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--store", "nowhere"], "there is no store at"),
        (["du", "--runs", "nowhere"], "nowhere for --runs"),
    ],
)
def test_what_is_not_there_is_said(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_five_thousand_artifacts_are_listed_in_two_seconds(tmp_path):
    for number in range(5000):
        folder = tmp_path / "store" / "outcomes" / f"mpc-hand-reach-{number:012x}"
        folder.mkdir(parents=True)
        for name in ("recipe.json", "outcomes.json"):
            (folder / name).write_text("{}")
    began = time.process_time()
    assert len(take_stock(tmp_path / "store", []).items) == 5000
    assert time.process_time() - began < 2


def test_a_listing_waits_for_no_pytorch():
    loaded = "import sys, wm_lab.store_command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False).returncode == 0
