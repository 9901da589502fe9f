"""What a comparison is told of a trained model, also of one that wrote less down than is written today."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch

from wm_lab.experiment.model_facts import SPEED, model_facts
from wm_lab.experiment.run_settings import Settings
from wm_lab.store import Store
from wm_lab.training.trainer import BEST, REPORT


def experiment(folder: Path) -> SimpleNamespace:
    """An experiment whose models of no round and of one lie in `folder`, the speed of the last already measured."""
    sections = {name: {"_target_": "wm_lab.models.rssm.RSSM"} for name in Settings.__annotations__}
    settings = Settings(**{**sections, "labels": {}})
    store = Store(folder / "store")
    for number in range(2):
        (folder / f"model-{number}").mkdir()
    told = {"name": settings.label("model"), "model": "model-1"}
    store.get("speed", told, lambda made: (made / SPEED).write_text('{"frames_per_second": 9}') and None)
    return SimpleNamespace(
        settings=settings,
        data=SimpleNamespace(config=SimpleNamespace(rounds=1)),
        tools=SimpleNamespace(keep=lambda what, *artifact: store.get(*artifact), device=torch.device("cpu")),
        models=SimpleNamespace(world_model=lambda rounds=1: folder / f"model-{rounds}" / BEST),
    )


def test_the_seconds_of_all_rounds_add_up(tmp_path):
    found = experiment(tmp_path)
    for number, seconds in enumerate((10, 5)):
        (tmp_path / f"model-{number}" / REPORT).write_text(f'{{"parameters": 7, "seconds": {seconds}}}')
    assert model_facts(found) == {"parameters": 7, "seconds": 15, "frames_per_second": 9}


def test_costs_that_were_never_written_down_end_no_run(tmp_path):
    found = experiment(tmp_path)
    (tmp_path / "model-1" / REPORT).write_text('{"parameters": 7, "seconds": 5}')
    assert model_facts(found) == {"parameters": 7, "seconds": None, "frames_per_second": 9}
    (tmp_path / "model-1" / REPORT).unlink()
    assert model_facts(found) == {"parameters": None, "seconds": None, "frames_per_second": 9}
