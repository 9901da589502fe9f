"""What a careful plan has to promise: the error of a model that is known to be wrong by so much."""

from __future__ import annotations

import json

import pytest
import torch

from tests.exercises.point_world import PointExperiment, settings
from wm_lab.experiment.score_error import NAME, reward_errors, score_error
from wm_lab.objectives import ObjectiveConfig
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel


def experiment_of(store, speed: float, **changes) -> PointExperiment:
    model = {"_target_": "tests.exercises.point_world.PointWorld", "speed": speed}
    return PointExperiment(settings(store, model=model, **changes))


def test_a_model_that_moves_as_the_task_does_is_wrong_by_nothing(tmp_path):
    with experiment_of(tmp_path / "true", 0.1) as true, experiment_of(tmp_path / "wrong", -0.1) as wrong:
        assert true.score_error() == pytest.approx(0, abs=1e-4)
        assert wrong.score_error() > 0.01


def test_the_last_step_counts_as_it_does_in_a_score_and_the_measurement_is_kept(tmp_path):
    with experiment_of(tmp_path, -0.1) as found:
        error = found.score_error()
        model = load_model(found.models.world_model(), WorldModel, "cpu")
        errors = reward_errors(model, found.data.dataset(), 4)
        weight = ObjectiveConfig().final_weight
        assert error == pytest.approx(float((errors.mean(1) + weight * errors[:, -1]).abs().mean()), rel=0.01)
        (kept,) = found.tools.store.root.glob(f"{NAME}/*/{NAME}.json")
        kept.write_text(json.dumps({NAME: 7.0}))
        assert found.score_error() == 7
        planned = found.settings.with_objective({"reward": 0.0, "task_cost": 1.0})
        checkpoint = found.models.world_model()
        assert score_error(found.tools, planned.locally(), found.data.dataset, checkpoint) is None


def test_episodes_that_are_too_short_tell_nothing(tmp_path):
    with experiment_of(tmp_path, 0.1) as found:
        model = load_model(found.models.world_model(), WorldModel, "cpu")
        assert reward_errors(model, found.data.dataset(), 1000).shape == torch.Size([0, 1000])
