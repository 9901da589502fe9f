"""Runs on a dataset that was recorded elsewhere: judged without a simulator, refused where one is needed."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from tests.data.toy import PointConfig, PointTask, ScriptedPolicy
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.data.dataset import Dataset
from wm_lab.data.recording import RecordedTask, RecordedTaskConfig
from wm_lab.errors import UserError
from wm_lab.exercises.augmentation import AugmentationExercise
from wm_lab.exercises.imagination import ImaginationExercise
from wm_lab.exercises.latent.exercise import LatentConfig, LatentExercise
from wm_lab.exercises.planning import PlanningConfig, PlanningExercise
from wm_lab.experiment.run_settings import Settings

EPISODES = 120


def record(folder, config=None):
    exploration = ExplorationConfig({"expert": 0.2, "noisy_expert": 0.8})
    return collect(folder, lambda: PointTask(config), ScriptedPolicy, range(EPISODES), exploration, workers=1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return record(tmp_path_factory.mktemp("recorded") / "shard", PointConfig(observation=["state", "pixels"]))


def recorded_settings(store, path, **task) -> Settings:
    base = settings(store)
    target = "wm_lab.data.recording.RecordedTask"
    data = {"path": str(path), "validation_fraction": 0.25, "test_fraction": 0.25}
    return replace(base, task={"_target_": target, "path": str(path), "observation": ["state"], **task}, data=data)


@pytest.fixture
def experiment(tmp_path, recording):
    with PointExperiment(recorded_settings(tmp_path / "store", recording)) as experiment:
        yield experiment


def test_imagination_is_judged_on_the_held_out_episodes_and_plans_nothing(experiment, recording):
    exercise = ImaginationExercise(
        ImaginationExercise.Config(horizon=10, windows=60, planned_windows=10, resamples=200)
    )
    exercise.check(experiment)
    answer = exercise.run(experiment)
    assert "planned" not in answer.numbers and "has no simulator" in answer.verdicts[-1]
    held = answer.numbers["held_out"]["all"]
    assert held["variables"]["position"]["median"][10]["value"] == pytest.approx(0, abs=1e-4), "the model is exact"
    whole = Dataset.open(recording, split=experiment.data.config.split())
    unseen = whole.episodes("test")  # validation chose the checkpoint
    assert held["episodes"] == len(unseen)


@pytest.mark.slow
def test_latents_are_of_episodes_that_neither_trained_nor_chose_the_model(experiment):
    exercise = LatentExercise(LatentConfig(scenes=EPISODES, frames=5, perplexities=[5], resamples=100))
    exercise.check(experiment)
    test = experiment.data.recording.episodes("test")
    assert experiment.data.unseen(EPISODES).table.seed.tolist() == experiment.data.recording.table.seed[test].tolist()
    answer = exercise.run(experiment)
    assert answer.numbers["trajectories"] == len(test)
    assert answer.numbers["r2"]["ridge"]["latent"]["position"]["value"] == pytest.approx(1, abs=1e-3)


def test_latents_of_too_few_episodes_are_refused(experiment):
    few = PointExperiment(replace(experiment.settings, data={**experiment.settings.data, "test_fraction": 0.05}))
    with pytest.raises(UserError, match=r"data.test_fraction=0.05 holds out \d+ trajectories.* at least 11"):
        LatentExercise(LatentConfig()).check(few)


@pytest.mark.parametrize(
    "exercise", [PlanningExercise(PlanningConfig()), AugmentationExercise(AugmentationExercise.Config())]
)
def test_exercises_that_play_refuse_a_recording_in_one_sentence(experiment, exercise):
    with pytest.raises(UserError, match="plays episodes, and toy/point is a recording without a simulator"):
        exercise.check(experiment)


def test_a_recorded_task_knows_its_card_and_plays_nothing(recording):
    task = RecordedTask(RecordedTaskConfig(path=str(recording)))
    assert task.task_spec == PointTask(PointConfig(observation=["state", "pixels"])).task_spec
    np.testing.assert_array_equal(task.state(), Dataset.open(recording).episode(0).state[0])
    ended = Dataset.open(recording).episode(0)
    for key, shown in task.goal_observation().items():
        np.testing.assert_array_equal(shown, ended.observation[key][-1], "whatever was seen may be a goal")
    for refused in (task.reset, task.snapshot, task.expert):
        with pytest.raises(UserError, match="has no simulator"):
            refused()
    with pytest.raises(UserError, match="unknown recorded observation 'pixel'; did you mean pixels"):
        RecordedTask(RecordedTaskConfig(path=str(recording), observation=["pixel"]))
    with pytest.raises(UserError, match="data=recorded"):
        RecordedTask(RecordedTaskConfig())


def test_models_see_what_the_task_shows_of_a_recording(experiment, recording):
    data = experiment.data.dataset()
    assert tuple(data.spec.observation) == ("state",) and data.digest != Dataset.open(recording).digest
    whole = Dataset.open(recording, keys=["state", "pixels"], split=experiment.data.config.split())
    assert whole.digest == Dataset.open(recording, split=experiment.data.config.split()).digest, (
        "all of it is the dataset itself"
    )


def test_other_physics_train_with_a_warning_and_judge_nothing(tmp_path, caplog):
    path = record(tmp_path / "old", PointConfig(physics="point 0"))
    experiment = PointExperiment(replace(settings(tmp_path / "store"), data={"path": str(path)}))
    with caplog.at_level(logging.WARNING):
        assert len(experiment.data.dataset()) == EPISODES
    assert "training on" in caplog.text and "physics is 'point 0' and not 'point 1'" in caplog.text
    with pytest.raises(UserError, match="not of toy/point: its physics is 'point 0' and not 'point 1'; choose"):
        ImaginationExercise(ImaginationExercise.Config(horizon=10)).check(experiment)


def test_a_recording_of_the_task_itself_replaces_its_collection(tmp_path):
    path = record(tmp_path / "same")
    with PointExperiment(replace(settings(tmp_path / "store"), data={"path": str(path)})) as experiment:
        ImaginationExercise(ImaginationExercise.Config(horizon=10)).check(experiment)
        assert len(experiment.data.dataset()) == EPISODES and not list((tmp_path / "store").glob("dataset/*"))


def test_what_does_not_fit_is_refused_before_any_work(tmp_path, recording, experiment):
    from tests.formats.recording import write

    def complaint(**changes):
        with pytest.raises(UserError) as told:
            PointExperiment(replace(experiment.settings, **changes)).data.dataset()
        return str(told.value)

    foreign = write(tmp_path / "foreign")
    here = {**settings(tmp_path).task}
    assert "wm-lab-data import" in complaint(task=here, data={"path": str(foreign)})
    assert "there is no dataset" in complaint(task=here, data={"path": str(tmp_path / "nowhere")})
    assert "data.rounds=1 would add to the recording" in complaint(data={"path": str(recording), "rounds": 1})
    reach = {"_target_": "wm_lab.tasks.hand.HandTask", "goal": "reach"}
    assert "state of shape [5], and hand/reach shows" in complaint(task=reach, data={"path": str(recording)})
