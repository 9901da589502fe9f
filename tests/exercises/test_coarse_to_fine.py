"""One model is searched, a second one re-ranks: as an arm of the planning exercise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.exercises.hand_lab import changed, check
from tests.exercises.hand_lab import settings as hand_settings
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.errors import UserError
from wm_lab.exercises.planning.coarse_to_fine import cost_of_a_decision, reranked_arm
from wm_lab.experiment.arms import PlanningArm
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Models
from wm_lab.experiment.run_settings import RERANKER

TRUE = {"_target_": "tests.exercises.point_world.PointWorld"}
FAST = {**TRUE, "speed": 0.4}  # believes that the point moves four times as far
DECODER = "wm_lab.models.decoder_only.DecoderOnly"


@pytest.fixture
def experiment(tmp_path):
    wanted = settings(tmp_path, model=FAST, labels={"model": "fast", RERANKER: "true"})
    with PointExperiment(replace(wanted, planner={**wanted.planner, "elites": 12})) as made:
        yield made


def test_a_true_second_model_earns_more_than_the_first_alone_and_its_predicted_return_is_the_realised_one(experiment):
    manifest = experiment.data.manifest(8)
    alone = experiment.evaluations.play(
        PlanningArm("mpc", experiment.settings, experiment.models.world_model()), manifest, None
    )
    both = experiment.evaluations.play(reranked_arm(experiment, TRUE), manifest, None)
    assert (both.episode_return > alone.episode_return).mean() > 0.8
    np.testing.assert_allclose(both.predicted, both.realised, atol=1e-3)
    assert (np.abs(alone.predicted - alone.realised) > 0.05).all(), "the first one is wrong of itself"


def test_the_simulator_as_second_model_is_the_truth(experiment):
    manifest, simulator = experiment.data.manifest(4), {"_target_": "wm_lab.tasks.simulator.Simulator"}
    learned, true = (
        experiment.evaluations.play(reranked_arm(experiment, second), manifest, None) for second in (TRUE, simulator)
    )
    np.testing.assert_allclose(true.predicted, true.realised, atol=1e-5)
    np.testing.assert_allclose(true.episode_return, learned.episode_return, atol=1e-3)


def test_the_cost_of_a_decision_is_told_for_either_model(experiment):
    numbers, table = cost_of_a_decision(experiment, TRUE, experiment.data.manifest(2))
    assert numbers == {
        "searched": {"model": "fast", "imagined_steps": (24 * 3 + 1) * 6},
        "reranked": {"model": "true", "imagined_steps": 12 * 6},
    }
    assert table.rows[0] == ("searched", "fast", "438")


def test_one_runs_second_model_is_another_runs_model(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Models, "train", lambda self, training: self._tools.store.path("model", training.recipe) / "best.pt"
    )
    one = changed(hand_settings("model=latent_mlp", f"{RERANKER}=decoder_only"), tmp_path)
    other = changed(hand_settings("model=decoder_only"), tmp_path)
    with Experiment(one) as first, Experiment(other) as second:
        section = one.exercise["reranker"]
        arm = reranked_arm(first, section)
        assert (
            arm.recipe()["reranker"]
            == second.models.world_model().parent.name
            != first.models.world_model().parent.name
        )
        assert arm.recipe()["checkpoint"] == first.models.world_model().parent.name


IMPOSSIBLE = [
    (["model=simulator", f"{RERANKER}=rssm"], {}, r"plans in the truth.*model@exercise.reranker=null"),
    ([f"{RERANKER}=decoder_only", "exercise.reranker.window=99"], {}, r"model.window=99 does not fit"),
    (["model.ensemble=2", f"{RERANKER}=rssm"], {"objective": {"disagreement": 1.0}}, r"this one has no ensemble"),
]


@pytest.mark.parametrize(("overrides", "changes", "sentence"), IMPOSSIBLE)
def test_a_second_model_that_could_not_serve_is_refused_before_any_work(tmp_path, overrides, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(hand_settings(*overrides), tmp_path, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("second", ["simulator", "video_diffusion"])
def test_any_family_may_be_the_second(tmp_path, second):
    wanted = hand_settings(f"{RERANKER}={second}", "planner=mppi")
    assert wanted.label(RERANKER) == second
    check(changed(wanted, tmp_path))
