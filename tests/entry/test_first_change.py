"""The changes of docs/first_change.md, made to a copy of the code as they are written, train and show their curves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.entry.command import ROOT

PAGE = (ROOT / "docs" / "first_change.md").read_text()
CHANGE = re.compile(r"^\*\*`(?P<file>[^`]+)`\*\*\n\n```diff\n (?P<above>.*)\n(?P<added>(?:\+.*\n)+)```", re.M)
RUN = "scale=smoke exercise=imagination model=rssm model.smooth_scale=0.1"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", PAGE))))
def test_the_page_names_files_that_are_there(path):
    assert (ROOT / "wm_lab" / path.removeprefix("wm_lab/")).exists()


@pytest.mark.slow
def test_both_changes_train_as_written(tmp_path):
    for folder in ("wm_lab", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    changes = list(CHANGE.finditer(PAGE))
    assert len(changes) == 3
    for change in changes:
        file = tmp_path / change["file"]
        code, above = file.read_text(), change["above"] + "\n"
        assert code.count(above) == 1, f"{change['file']} has no longer one line{change['above']}"
        added = change["added"].replace("+", "", 1).replace("\n+", "\n")
        file.write_text(code.replace(above, above + added))

    assert f"wm-lab {RUN}" in PAGE
    small = ["seeds=1", "scale.train_steps=4", "scale.collect_episodes=24", "scale.windows=8", "workers=1"]
    done = subprocess.run(
        [sys.executable, "-m", "wm_lab", *RUN.split(), *small, "tracking=disabled", "hydra.run.dir=run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    logged = set().union(*lines)
    assert {"train/smooth", "train/weight_norm"} <= logged
