"""A flipped bit in anything that numbers are read from is told, or changes nothing; it is never taken for a result."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import read_json
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.reports.runs import checked, read_run
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel

pytestmark = pytest.mark.slow

FLIPS = int(os.environ.get("WM_LAB_FLIPS", "25"))  # of each kind of file; 143 make a thousand


def dataset(folder: Path) -> Any:
    opened = Dataset.open(folder, verify_up_to=None)
    return [
        json.dumps(opened.shards[0].manifest, sort_keys=True),
        *(bytes(np.ascontiguousarray(c)) for c in opened.shards[0].columns.values()),
    ]


def model(folder: Path) -> Any:
    loaded = load_model(folder / "best.pt", WorldModel)
    weights = [bytes(np.ascontiguousarray(w.numpy())) for w in loaded.state_dict().values()]
    return [*weights, str(loaded.config), str(loaded.spec), json.dumps(read_json(folder / "training.json", "report"))]


def outcomes(folder: Path) -> Any:
    return json.dumps(Outcomes.load(folder / "outcomes.json").to_dict())


def result(folder: Path) -> Any:
    run = checked(read_run(folder))
    if run.result is None:
        raise UserError(run.reason)
    return json.dumps([run.result, {arm: [one.to_dict() for one in every] for arm, every in run.outcomes.items()}])


KINDS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "dataset": (dataset, "outputs/store/dataset/*"),
    "model": (model, "outputs/store/model/*"),
    "outcomes": (outcomes, "outputs/store/outcomes/*"),
    "run": (result, "outputs/runs/*"),
}
READ = {
    "dataset": ("*.npy", "manifest.json"),
    "model": ("best.pt", "training.json"),
    "outcomes": ("outcomes.json",),
    "run": ("result.json", "outcomes/*.json"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_told_or_changes_nothing(lab, tmp_path, kind):
    read, places = KINDS[kind]
    original = next(folder for folder in sorted(lab.folder.glob(places)) if folder.is_dir())
    folder = tmp_path / original.name
    shutil.copytree(original, folder)
    before, rng, told = read(folder), np.random.default_rng(0), 0
    for pattern in READ[kind]:
        files = sorted(folder.glob(pattern))
        assert files, pattern
        for _ in range(FLIPS):
            file = files[rng.integers(len(files))]
            whole = file.read_bytes()
            place, bit = rng.integers(len(whole)), rng.integers(8)
            file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :])
            try:
                assert read(folder) == before, f"bit {bit} of byte {place} of {file.name} was taken for a result"
            except UserError:
                told += 1
            file.write_bytes(whole)
    assert told > FLIPS * len(READ[kind]) // 2
