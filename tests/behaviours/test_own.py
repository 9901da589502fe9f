"""A behaviour of one's own: the page's one file and one YAML, and no edit of wm_lab."""

from __future__ import annotations

import sys

import pytest

from tests.behaviours.test_learning import TRAINER
from tests.entry import user_lab
from tests.entry.command import QUIET, wm_lab
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.behaviours.behaviour import Behaviour
from wm_lab.experiment.validation import Tried
from wm_lab.settings import complete
from wm_lab.training.checkpoint import load_model


@pytest.fixture
def own(tmp_path, monkeypatch):
    folder = user_lab.write(tmp_path / "mine", "behaviours")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("imitator", None)


def test_it_is_chosen_by_name(tmp_path, own):
    ended = wm_lab(tmp_path, "--config-dir", str(own), "behaviour=imitator", "--cfg", "job", *QUIET)
    assert ended.code == 0, ended.err
    assert "_target_: imitator.Imitator" in ended.out and "scale: 0.9" in ended.out


def test_it_is_trained_by_the_one_loop_and_tried_in_the_task(tmp_path, own):
    section = complete({"_target_": "imitator.Imitator", "horizon": 3, "validation_episodes": 2}, "behaviour")
    trainer = {**TRAINER, "steps": 20, "validate": 2}
    with PointExperiment(settings(tmp_path, behaviour=section, behaviour_trainer=trainer)) as experiment:
        checkpoint = experiment.models.behaviour()
    assert [each.step for each in Tried.read(checkpoint.parent)] == [10, 20]
    assert type(load_model(checkpoint, Behaviour)).__name__ == "Imitator"
