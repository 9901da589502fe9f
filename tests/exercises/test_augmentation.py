"""The augmentation exercise on the point mass: every arm, once, and what is refused before any of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.exercises.hand_lab import changed
from tests.exercises.hand_lab import settings as hand_settings
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.exercises.augmentation.answer import augmentation_verdicts
from wm_lab.exercises.augmentation.clone_arms import ARMS
from wm_lab.exercises.augmentation.exercise import AugmentationConfig, AugmentationExercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.segment_maker import IMAGINED, KEPT, TRUE, UNTRAINED, SynthesisConfig
from wm_lab.experiment.side_by_side import train_clones
from wm_lab.experiment.synthetic_data import Synthesis
from wm_lab.experiment.training_mix import TrainingMix
from wm_lab.settings import complete, read_config
from wm_lab.synthesis.filters import FilterConfig
from wm_lab.synthesis.generators import GeneratorConfig
from wm_lab.training.checkpoint import read
from wm_lab.training.config import TrainerConfig

STEPS = 6
GENERATOR = GeneratorConfig("recovery", deviate=2, steps=5)
CONFIG = AugmentationConfig(
    counts=[4, 6],
    synthetic_ratios=[3],
    generator=GENERATOR,
    steps=STEPS,
    audit=10,
    episodes=2,
    filter=FilterConfig(quantile=1),
)


def point_settings(store, **changes: Any):
    trainer = complete({"length": 4, "batch": 8, "warmup": 1, "validate": 2}, "bc_trainer", TrainerConfig)
    bc = complete({"_target_": "wm_lab.policies.behaviour_cloning.BehaviourCloning", "hidden": 16, "chunk": 2}, "bc")
    return settings(store, bc=bc, bc_trainer=trainer, demonstrations=6, **changes)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def answer(store):
    with PointExperiment(point_settings(store)) as experiment:
        return AugmentationExercise(CONFIG).run(experiment)


def clones(store) -> dict[str, dict[str, Any]]:
    """Recipes of the trained clones by folder."""
    return {f.parent.name: json.loads(f.read_text())["recipe"] for f in store.glob("model/bc-*/recipe.json")}


@pytest.mark.slow
def test_every_arm_plays_the_same_episodes_at_every_count(answer):
    without_ratio = {"real", "real_longer", "duplicated", "dart"}
    expected = {f"{arm}_n{n}" for arm in without_ratio for n in (4, 6)}
    expected |= {f"{arm}_n{n}_x3" for arm in set(ARMS) - without_ratio for n in (4, 6)}
    assert set(answer.outcomes) == expected
    assert len({outcomes.manifest.hash for (outcomes,) in answer.outcomes.values()}) == 1
    assert len(answer.numbers["differences"]) == len(expected) - 2, "each against the real data of its own count"
    json.dumps(answer.numbers, allow_nan=False)


def test_all_clones_take_equally_many_gradient_steps_but_the_longer_one(answer, store):
    steps = sorted(recipe["trainer"]["steps"] for recipe in clones(store).values())
    assert steps == [STEPS] * (len(steps) - 2) + [2 * STEPS] * 2
    assert all(read(f.parent / "last.pt")["step"] in (STEPS, 2 * STEPS) for f in store.glob("model/bc-*/best.pt"))


def test_mixed_batches_are_one_to_one(answer, store):
    mixed = [recipe for recipe in clones(store).values() if "weights" in recipe]
    assert len(mixed) == 2 * (2 + 5) and all(recipe["weights"] == [0.5, 0.5] for recipe in mixed)


def test_all_arms_around_the_same_demonstrations_see_alike(answer, store):
    """By the real data and the collection: neither imagined frames nor more demonstrations change what a clone sees."""
    with PointExperiment(point_settings(store)) as experiment:
        normalisers = [
            [experiment.data.demonstrations(count).digest, experiment.data.dataset().digest] for count in (4, 6)
        ]
    seen = [recipe["eyes"] for recipe in clones(store).values()]
    assert [seen.count(each) for each in normalisers] == [len(ARMS)] * 2 and len(seen) == 2 * len(ARMS)


def test_proportional_batches_are_asked_for_by_an_option(store):
    config = replace(CONFIG, counts=[4], synthetic_ratios=[1], arms=["imagined"], balanced=False)
    before = set(clones(store))
    with PointExperiment(point_settings(store)) as experiment:
        AugmentationExercise(config).run(experiment)
    (new,) = [recipe for name, recipe in clones(store).items() if name not in before]
    assert "weights" not in new


@pytest.mark.slow
def test_clones_trained_side_by_side_are_those_trained_one_by_one(answer, store, tmp_path):
    with PointExperiment(replace(point_settings(store), workers=2)) as experiment:
        real = experiment.data.demonstrations(4)
        extra = synthesis(experiment).segments(real, TRUE, 1)
        mixed = Dataset([*real.shards, *Dataset.open(extra).shards], real.split_config)
        mixes = [
            TrainingMix(real, "real", steps=STEPS),
            TrainingMix(mixed, "mixed", normaliser=experiment.data.normaliser(real), weights=[0.5, 0.5], steps=STEPS),
        ]
        alone = [experiment.clones.checkpoint(mix) for mix in mixes]
    with PointExperiment(replace(point_settings(tmp_path), workers=2)) as experiment:
        train_clones(experiment, [mixes])
        assert experiment.tools.seconds.pop("train bc real") > 0 and experiment.tools.seconds.pop("train bc mixed") > 0
        together = [experiment.clones.checkpoint(mix) for mix in mixes]
        assert experiment.tools.seconds == {}, "they were trained before they were asked for"
    for mine, theirs in zip(alone, together, strict=True):
        assert mine != theirs and mine.parent.name == theirs.parent.name
        weights = zip(read(mine)["weights"].values(), read(theirs)["weights"].values(), strict=True)
        assert all(torch.equal(a, b) for a, b in weights)


def test_provenance_says_what_was_made_and_how_wrong_it_is(answer):
    told = answer.numbers["provenance"]
    assert told["simulated_n4_x3"]["error_kept"]["value"] == 0 and told["simulated_n4_x3"]["labels"]
    assert told["imagined_n4_x3"]["error_kept"]["value"] < 1e-5, "this model is perfect"
    assert 0 < told["filtered_n4_x3"]["labelled"] <= told["imagined_n4_x3"]["labelled"]
    assert told["filtered_n4_x3"]["kept"] == told["imagined_n4_x3"]["kept"] > 0
    assert told["real_n4"]["labelled"] == 0 and told["oracle_n4_x3"]["made"] == "12 real demonstrations"
    ratio = told["imagined_n4_x3"]["labelled"] / told["duplicated_n4"]["labelled"]
    assert ratio == pytest.approx(3, rel=0.1)
    table = answer.tables[1]
    assert len(table.rows) == len(answer.outcomes) and "mixture" in table.caption


def test_the_same_again_finds_everything(answer, store):
    with PointExperiment(point_settings(store)) as experiment:
        again = AugmentationExercise(CONFIG).run(experiment)
        assert experiment.tools.seconds == {}
    assert again.verdicts == answer.verdicts


def test_the_headline_is_the_filtered_models_and_is_an_honest_one(answer):
    assert "filtered imagined data or real data alone" in answer.verdicts[0] and len(answer.verdicts) == 5
    assert augmentation_verdicts([], {}) == ["cannot tell: no arm of synthetic data was asked for."]


def synthesis(experiment, quantile=1.0, use=("support", "consistency", "achieved"), **options) -> Synthesis:
    generator = replace(GENERATOR, **options)
    return Synthesis(experiment, SynthesisConfig(generator, FilterConfig(list(use), quantile), audit=10))


def test_synthetic_data_depend_on_the_model_and_on_the_seed_alone(store):
    with PointExperiment(point_settings(store)) as experiment:
        real = experiment.data.demonstrations(4)
        shards = {where: synthesis(experiment).segments(real, where, 1) for where in (IMAGINED, UNTRAINED, TRUE)}
        assert synthesis(experiment).segments(real, IMAGINED, 1) == shards[IMAGINED]
        first, second = (Dataset.open(shards[where]).column("action") for where in (IMAGINED, TRUE))
    np.testing.assert_allclose(first, second, atol=1e-5)  # a perfect model imagines the truth
    with PointExperiment(replace(point_settings(store), seed=1)) as experiment:
        other = Dataset.open(synthesis(experiment).segments(real, IMAGINED, 1)).column("action")
    assert other.shape == first.shape and not np.array_equal(other, first)


def test_filtered_shards_hold_the_kept_segments_alone(store):
    with PointExperiment(point_settings(store)) as experiment:
        real = experiment.data.demonstrations(4)
        made = synthesis(experiment, use=["achieved"], keep=0.85)  # so slow a way back that some do not arrive
        whole = Dataset.open(made.segments(real, IMAGINED, 3))
        left = Dataset.open(made.filtered(real, whole.shards[0].folder))
    kept = np.flatnonzero(whole.shards[0].columns[f"episode.{KEPT}"])
    assert 0 < len(kept) < len(whole) and len(left) == len(kept)
    np.testing.assert_array_equal(left.episode(0).action, whole.episode(int(kept[0])).action)


def test_an_arm_that_the_filters_leave_nothing_is_left_out_and_the_others_go_on(store):
    """From so far, on so slow a way back, nothing returns."""
    slow = replace(GENERATOR, keep=0.99, strength=5.0)
    filters = FilterConfig(["achieved"])
    config = replace(
        CONFIG, counts=[4], synthetic_ratios=[1], arms=["filtered", "untrained"], generator=slow, filter=filters
    )
    with PointExperiment(point_settings(store)) as experiment:
        answer = AugmentationExercise(config).run(experiment)
    assert set(answer.outcomes) == {"real_n4", "untrained_n4_x1"}
    assert re.match(r"with 4 demonstrations the filters dropped all \d+ .*\(passed: achieved 0%\)", answer.verdicts[-1])


# What is refused before any work

CONFIGS = [
    (
        {"synthetic_ratios": [0.5]},
        r"exercise.synthetic_ratios=\[0.5\] holds 0.5, where each must be a finite number from 1",
    ),
    ({"counts": [1]}, r"exercise.counts=\[.*\] holds 1, .* from 2"),
    ({"counts": []}, "must not be empty"),
    ({"arms": ["dreams"]}, "unknown exercise.arms 'dreams'"),
    ({"audit": 1}, "exercise.audit=1"),
    ({"steps": 0}, "exercise.steps=0"),
    ({"state_noise": 0.0}, "exercise.state_noise"),
    ({"episodes": 1}, "exercise.episodes=1 must be .* from 2"),
]


@pytest.mark.parametrize(("options", "sentence"), CONFIGS)
def test_options_without_sense_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        read_config(AugmentationConfig, options, "exercise")


IMPOSSIBLE = [
    ({"demonstrations": 3}, r"exercise.counts=\[4\] asks for more than there are: demonstrations=3"),
    ({"task": {"observation": "pixels"}}, "hand/reach shows pixels.*task.observation=state or pixels_proprio"),
    ({"exercise": {"filter": {"use": ["disagreement"], "quantile": 0.9}}}, "no ensemble to disagree"),
    ({"exercise": {"generator": {"kind": "relocate"}}, "task": {"observation": "pixels_proprio"}}, "only states"),
    ({"exercise": {"generator": {"kind": "planner"}}, "objective": {"disagreement": 1.0}}, "has no ensemble; train it"),
]


@pytest.mark.parametrize(("changes", "sentence"), IMPOSSIBLE)
def test_what_cannot_work_together_is_refused_before_any_work(tmp_path, changes, sentence):
    wanted = changed(hand_settings("exercise=augmentation"), tmp_path, **changes)
    with pytest.raises(UserError, match=sentence):
        AugmentationExercise(AugmentationConfig(**options_of(wanted))).check(Experiment(wanted))
    assert not list(tmp_path.iterdir())


def test_demonstrations_are_relocated_unless_that_cannot_be_done(tmp_path):
    for task, kind in (({}, "relocate"), ({"observation": "pixels_proprio"}, "noisy")):
        wanted = changed(hand_settings("exercise=augmentation", "task=hand/push"), tmp_path, task=task)
        exercise = AugmentationExercise(AugmentationConfig(**options_of(wanted)))
        assert exercise.generator(Experiment(wanted)).kind == kind


def test_hindsight_is_refused_where_success_is_not_one_variable_at_its_goal(tmp_path):
    options = {"exercise": {"generator": {"kind": "hindsight"}}}
    for task, fits in (("hand/push", True), ("hand/stack", False)):
        wanted = changed(hand_settings("exercise=augmentation", f"task={task}"), tmp_path, **options)
        exercise = AugmentationExercise(AugmentationConfig(**options_of(wanted)))
        if fits:
            exercise.check(Experiment(wanted))
        else:
            with pytest.raises(UserError, match="success brings one variable to its goal"):
                exercise.check(Experiment(wanted))


def test_a_model_that_cannot_show_what_it_imagines_is_refused(store):
    wanted = point_settings(store, model={"_target_": "tests.exercises.point_world.PointWorld", "decodes": ["pixels"]})
    with pytest.raises(UserError, match="a clone reads state, and model does not decode state"):
        AugmentationExercise(CONFIG).check(PointExperiment(wanted))


def test_the_simulator_has_nothing_to_learn(store):
    wanted = point_settings(store, model={"_target_": "wm_lab.tasks.simulator.Simulator", "threads": 1})
    with pytest.raises(UserError, match="model=simulator is the truth"):
        AugmentationExercise(CONFIG).check(PointExperiment(wanted))


def options_of(wanted) -> dict[str, Any]:
    """The exercise's config as `build` would read it."""
    from dataclasses import fields

    from wm_lab.settings import read_config

    config = read_config(AugmentationConfig, wanted.exercise, "exercise")
    return {f.name: getattr(config, f.name) for f in fields(config)}
