"""What names a model in the store: what came later stands in it only where it changes the model."""

from __future__ import annotations

import pytest

from tests.exercises.hand_lab import changed, settings
from wm_lab.experiment.experiment import Experiment
from wm_lab.training.config import TrainerConfig

LATER = ("thing_units", "exchange", "dynamics_apart")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("task=hand/push",), {}),
        (("task=hand/table",), {"things": 1, "exchanged": True}),
        (("task=hand/table", "model.thing_units=0"), {"exchanged": True}),
        (("task=hand/table", "model.exchange=false"), {"things": 1}),
        (("task=hand/all",), {"things": 1}),
        (("task=hand/table", "task.observation=pixels"), {}),
    ],
)
def test_a_model_is_named_by_how_things_of_a_kind_are_moved_where_there_are_any(tmp_path, words, told):
    with Experiment(changed(settings(*words, "data.episodes=2"), tmp_path)) as experiment:
        section = experiment.settings.model
        recipe = experiment.models.recipe("model", section, TrainerConfig(), experiment.data.dataset())
    assert {name: recipe[name] for name in ("things", "exchanged") if name in recipe} == told
    changed_options = {word.split("=")[0].removeprefix("model.") for word in words if word.startswith("model.")}
    assert {name for name in LATER if name in recipe["model"]} == changed_options
