"""World model and policy together: who plays, what is refused, and the sentence that it ends in."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.exercises.hand_lab import changed, check, settings
from wm_lab.data.window_reader import WindowReader
from wm_lab.errors import UserError
from wm_lab.evaluation.comparison import compare_pairs, success_rows
from wm_lab.evaluation.manifest import Manifest
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.exercises.exercise import Exercise
from wm_lab.exercises.integration.answer import executor_verdict, integration_verdict
from wm_lab.exercises.integration.config import ARMS
from wm_lab.exercises.integration.exercise import IntegrationExercise
from wm_lab.exercises.integration.subgoal_trainings import (
    TaughtJob,
    decoder_trainer,
    executor_training,
    head_training,
    rates,
)
from wm_lab.experiment.experiment import Experiment
from wm_lab.settings import build

SMALL = ("exercise=integration", "media=false", "exercise.subgoals.steps=4", "task.episode_steps=20")


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory):
    return changed(settings(*SMALL), tmp_path_factory.mktemp("store"))


def test_every_arm_plays_the_same_starts(wanted):
    with Experiment(wanted) as experiment:
        exercise = build(Exercise, wanted.exercise, "exercise")
        exercise.check(experiment)
        answer = exercise.run(experiment)
    rows = {row["arm"]: row for row in answer.numbers["rows"]}
    assert set(rows) == set(ARMS)
    assert len({played[0].manifest.hash for name, played in answer.outcomes.items() if name != "simulator"}) == 1
    assert all(row["decision_ms"] > 0 for row in rows.values())
    assert answer.numbers["policy_selection"][0]["chosen"] in {"clone", "nearby", "local", "wide", "widest"}
    assert {pair["b"] for pair in answer.numbers["differences"]} >= {"bc", "subgoal_shuffled"}
    assert "cloning solves 0" in answer.verdicts[0] and "of hand/reach" in answer.verdicts[0]
    assert all(f"{arm}: " in answer.tables[0].caption for arm in ARMS)


def test_executor_and_head_learn_from_the_clones_demonstrations_in_as_many_steps(wanted):
    with Experiment(wanted) as experiment:
        clone = experiment.clones.training()
        for training in (
            executor_training(experiment, 8, collection=False),
            executor_training(experiment, 0, collection=False),
            head_training(experiment, 4),
        ):
            assert training.dataset.digest == clone.dataset.digest
            assert training.trainer.steps == clone.trainer.steps
            assert training.recipe["seed"] == clone.recipe["seed"]


def test_half_of_what_an_executor_sees_is_of_the_collection_where_it_may(wanted):
    with Experiment(wanted) as experiment:
        alone, both = (executor_training(experiment, 8, collection) for collection in (False, True))
    assert alone.weights is None and both.weights == [0.5, 0.5]
    assert len(both.dataset) == len(alone.dataset) + wanted.data["episodes"]
    assert both.trainer.steps == alone.trainer.steps


def test_an_executor_may_learn_from_goals_that_the_world_model_imagines(wanted):
    with Experiment(wanted) as experiment:
        plain, some = (executor_training(experiment, 8, False, share) for share in (0.0, 0.5))
        world = experiment.models.world_model().parent.name
        assert some.recipe == plain.recipe | {
            "model": plain.recipe["model"] | {"imagined": 0.5},
            "imagined_by": world,
        }
        start = torch.from_numpy(some.dataset.table.offset[:2].copy())
        windows = WindowReader(some.dataset, some.trainer.length, ("state",)).read(torch.arange(2), start)
        assert np.isfinite(some.make().loss(windows)[0].item())


def test_no_more_is_trained_than_is_asked_for_and_it_travels_to_another_process(wanted):
    every = build(Exercise, wanted.exercise, "exercise")
    few = build(Exercise, {**wanted.exercise, "arms": ["bc", "subgoal_oracle"]}, "exercise")
    assert isinstance(every, IntegrationExercise) and isinstance(few, IntegrationExercise)
    assert len(every._taught()) == 5
    (make,) = few._taught()
    job = pickle.loads(pickle.dumps(TaughtJob(0, make)))
    with Experiment(wanted) as experiment:
        assert job.training(experiment).recipe == executor_training(experiment, 8, collection=True).recipe


def test_sub_goals_tell_no_velocity(wanted):
    with Experiment(wanted) as experiment:
        assert rates(experiment.task_spec) == list(range(8, 16))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("exercise.subgoals.steps=40",), "exercise.subgoals.steps=40 reaches beyond a demonstration of hand/reach"),
        (("exercise.imagined.ahead=6",), "exercise.imagined.ahead=6 times exercise.subgoals.steps=4 exceeds the 20"),
        (("exercise.arms=[bc,magic]",), "magic"),
        (("exercise.validation_episodes=0",), "exercise.validation_episodes=0 plays none"),
        (("exercise.oracle_episodes=1",), "exercise.oracle_episodes=1 is too few"),
        (
            ("exercise.arms=[bc,simulator]", "exercise.oracle_episodes=0"),
            "the arm simulator plays exercise.oracle_episodes",
        ),
        (("task.observation=pixels",), "set task.observation=state"),
        (("model=simulator",), "model=simulator is the truth"),
        (("model@exercise.decoder=latent_mlp",), "choose model@exercise.decoder=decoder_only"),
        (
            ("model@exercise.decoder=decoder_only", "exercise.decoder.chunk=30"),
            "exercise.decoder.chunk=30 reaches beyond a demonstration of hand/reach",
        ),
        (("task=gym", "task.id=Pendulum-v1"), "exercise=integration"),
        (("evaluation.variation=physics",), "exercise=integration"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(tmp_path, words, sentence):
    small = [word for word in SMALL if not (word.startswith("task.") and "task=gym" in words)]
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(*small, *words), tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "augmented, subgoal_search look at decoded states, and model=latent_mlp"),
        (
            ("exercise.imagined_goals=0.5", "exercise.arms=[bc,subgoal_oracle]"),
            "exercise.imagined_goals=0.5 shows the executor decoded states, and model=latent_mlp",
        ),
    ],
)
def test_a_model_that_decodes_no_states_is_refused_before_any_work(tmp_path, words, sentence):
    blind = {"_target_": "tests.exercises.point_world.PointWorld", "decodes": []}
    wanted = replace(changed(settings(*SMALL, *words), tmp_path), model=blind)
    with pytest.raises(UserError, match=sentence):
        build(Exercise, wanted.exercise, "exercise").check(Experiment(wanted))


def test_a_decoder_in_longer_windows_sees_as_many_moments(wanted):
    short, long = (decoder_trainer(wanted, {"window": window, "chunk": 4}) for window in (4, 16))
    assert (long.length, long.batch) == (16, short.batch * short.length // 16)


def played(arm: str, solved: int, of: int = 100) -> Outcomes:
    card = {"name": "hand/stack", "tags": ["contact"], "success_test": "there@1"}
    manifest = Manifest(card, tuple(range(2**30, 2**30 + of)), 50)
    nothing, success = np.full(of, np.nan), np.arange(of) < solved
    steps = np.where(success, 10.0, np.nan)
    return Outcomes(arm, manifest, success, success, steps, nothing, np.ones(of), nothing, nothing, seed=0)


def told(**solved: int) -> tuple[str, list[str]]:
    arms = {name: [played(name, count)] for name, count in solved.items()}
    pairs = compare_pairs(arms, [(name, "bc") for name in arms if name != "bc"])
    against = {pair.a: pair for pair in pairs}
    return integration_verdict(success_rows({"hand/stack": arms}), against, "hand/stack"), executor_verdict(against)


def test_the_sentence_says_who_is_better_worse_or_open_and_leaves_oracles_out():
    sentence, more = told(bc=30, mpc=0, local=80, subgoal_search=33, subgoal_oracle=95)
    assert sentence.startswith("in this training, cloning solves 0.30 [")
    assert "; local planning beats it by 0.5" in sentence and "; planning falls short of it by 0.3" in sentence
    assert "; cannot tell whether following sub-goals searched for in the model (A) (0.03" in sentence
    assert "oracle" not in sentence
    assert not more


def test_an_executor_that_does_worse_than_the_clone_with_an_oracle_is_named():
    (sentence,) = told(bc=80, mpc=0, subgoal_oracle=20)[1]
    assert sentence.startswith("in this training, even told") and "the executor does worse than cloning" in sentence


def test_each_training_has_an_executor_of_its_own(wanted):
    with Experiment(wanted) as first, Experiment(replace(wanted, seed=1)) as second:
        recipes = [executor_training(each, 8, collection=True).recipe for each in (first, second)]
    assert recipes[0] != recipes[1]
