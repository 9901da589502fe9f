"""What was played can be cloned: `data.demonstrated`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.play.scenes import REACH, STILL, scene
from wm_lab.errors import UserError
from wm_lab.exercises.augmentation import AugmentationExercise
from wm_lab.exercises.integration import IntegrationExercise
from wm_lab.exercises.integration.subgoal_trainings import executor_training
from wm_lab.experiment.experiment import Experiment
from wm_lab.play.recording import add_episode
from wm_lab.play.scene import settings_of
from wm_lab.settings import build


def play(folder, solved, unsolved=0):
    """Episodes of the expert, who stands in for a person, and of nobody."""
    session = scene("model=simulator").session
    for seed in range(solved + unsolved):
        session.reset(seed)
        session.drive("expert" if seed < solved else "person")
        for _ in range(20):
            session.advance(STILL)
        add_episode(folder, session.truth.episode(), session.task.task_spec, "person")


def settings(tmp_path, *words):
    chosen = [*REACH, "model=latent_mlp", f"data.demonstrated={tmp_path / 'played'}", f"outputs={tmp_path / 'out'}"]
    return settings_of([*chosen, *words])


def test_a_clone_learns_from_the_solved_episodes_that_a_person_played(tmp_path):
    play(tmp_path / "played", solved=4, unsolved=1)
    with Experiment(settings(tmp_path)) as experiment:
        experiment.check()
        training = experiment.clones.training("smooth")
    assert training.dataset.table.behaviour.tolist() == ["person"] * 4
    assert sorted(set(training.dataset.table.split)) == ["train", "validation"]
    (shard,) = training.dataset.shards
    assert shard.folder == tmp_path / "played" and np.isin(training.dataset.table.seed, range(4)).all()


def test_without_solved_episodes_nothing_is_cloned(tmp_path):
    play(tmp_path / "played", solved=1, unsolved=2)
    with (
        Experiment(settings(tmp_path)) as experiment,
        pytest.raises(UserError, match="holds 1 solved"),
    ):
        experiment.check()


def test_demonstrations_shorter_than_a_chunk_are_refused(tmp_path):
    play(tmp_path / "played", solved=4)
    asked = settings(tmp_path, "bc.chunk=25", "bc_trainer.length=28")
    with (
        Experiment(asked) as experiment,
        pytest.raises(UserError, match=r"bc.chunk=25 is longer than every solved episode of .*, which has 20 actions"),
    ):
        experiment.check()


def test_an_executor_of_sub_goals_learns_from_the_solved_ones_and_the_collection(tmp_path):
    play(tmp_path / "played", solved=4, unsolved=2)
    with Experiment(settings(tmp_path)) as experiment:
        dataset = executor_training(experiment, 8, collection=True).dataset
        assert len(dataset) == 4 + len(experiment.data.dataset(0))
    assert np.flatnonzero(dataset.table.behaviour == "person").tolist() == [0, 1, 2, 3]


def test_integration_makes_no_synthetic_data_around_what_a_person_played(tmp_path):
    play(tmp_path / "played", solved=4)
    asked = settings(tmp_path, "exercise=integration")
    exercise = build(IntegrationExercise, asked.exercise, "exercise")
    with Experiment(asked) as experiment, pytest.raises(UserError, match="augmented goes back to demonstrations of"):
        exercise.check(experiment)


def test_augmentation_varies_the_number_of_the_expert_s_own(tmp_path):
    play(tmp_path / "played", solved=3)
    asked = settings(tmp_path, "exercise=augmentation")
    exercise = build(AugmentationExercise, asked.exercise, "exercise")
    with Experiment(asked) as experiment, pytest.raises(UserError, match=r"leave out data\.demonstrated"):
        exercise.check(experiment)
