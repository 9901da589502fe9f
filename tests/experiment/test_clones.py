"""What a clone is normalised by: its demonstrations and the collection, alike in every arm and round."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from tests.data.toy import PointConfig, PointTask, ScriptedPolicy
from tests.exercises.point_world import PointExperiment, settings
from wm_lab.data.behaviours import ExplorationConfig
from wm_lab.data.collect import collect
from wm_lab.experiment.arms import CloneArm
from wm_lab.experiment.training_mix import TrainingMix, pooled
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.policies.frame_encoder import FrameEncoder
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import DataSpec

BC = {"_target_": "wm_lab.policies.behaviour_cloning.BehaviourCloning", "hidden": 16}
TRAINER = {"steps": 2, "batch": 8, "length": 4, "warmup": 1, "validate": 1}


def experiment_of(store, rounds: int = 0) -> PointExperiment:
    data = {"episodes": 12, "validation_fraction": 0.25, "rounds": rounds, "round_episodes": 4}
    return PointExperiment(settings(store, bc=BC, bc_trainer=TRAINER, demonstrations=4, data=data))


def spec_of(mean: list[float], std: list[float]) -> DataSpec:
    shapes: dict[str, tuple[int, ...]] = {"state": (len(mean),), "pixels": (4, 4, 3)}
    images = {"pixels": [float(len(mean))] * 48}
    return DataSpec(shapes, 1, {"state": mean, **images}, {"state": std, "pixels": [1.0]}, instructions=["go"])


def test_moments_are_pooled_as_those_of_all_rows_would_be_where_every_dataset_has_as_many():
    rows = torch.randn(3, 100, 2, dtype=torch.float64) * torch.tensor([1.0, 5.0]) + torch.tensor(
        [[[0.0]], [[2]], [[9]]]
    )
    specs = [spec_of(part.mean(0).tolist(), part.std(0, correction=0).tolist()) for part in rows]
    told = pooled(specs)
    assert told.mean["state"] == pytest.approx(rows.flatten(0, 1).mean(0).tolist())
    assert told.std["state"] == pytest.approx(rows.flatten(0, 1).std(0, correction=0).tolist())


def test_one_dataset_is_normalised_by_itself_and_images_as_the_first_has_them():
    first, other = spec_of([0.0], [1.0]), replace(spec_of([4.0], [1.0]), instructions=["come"])
    assert pooled([first]) == first
    both = pooled([first, other])
    assert both.mean["pixels"] == first.mean["pixels"] and both.instructions == ["go"]


def test_what_an_expert_never_does_does_not_blind_its_clone():
    """The hand's tilt: demonstrated to a milliradian, a fifth of a radian wherever it is disturbed."""
    demonstrations, collection = spec_of([0.0], [0.001]), spec_of([0.0], [0.2])
    seen = []
    for specs in ([demonstrations], [demonstrations, collection]):
        vectors = replace(pooled(specs), observation={"state": (1,)})
        tilt = FrameEncoder(vectors, image_features=1)({"state": torch.tensor([[0.02], [0.03]])})
        seen.append(tilt[:, 0].tolist())
    assert seen[0] == [10, 10], "two hundredths of a radian already say no more than: far"
    assert seen[1] == pytest.approx([0.02 * 2**0.5 / 0.2, 0.03 * 2**0.5 / 0.2], rel=1e-4)


def test_a_clone_sees_by_its_demonstrations_and_the_collection(tmp_path):
    with experiment_of(tmp_path) as experiment:
        checkpoint = experiment.clones.checkpoint()
        demonstrations, collection = experiment.data.demonstrations(), experiment.data.dataset()
    recipe = json.loads((checkpoint.parent / "recipe.json").read_text())["recipe"]
    assert recipe["data"] == demonstrations.digest, "it learns from the demonstrations alone"
    assert recipe["eyes"] == [demonstrations.digest, collection.digest]
    both = pooled([demonstrations.spec, collection.spec])
    model = load_model(checkpoint, BehaviourCloning)
    assert model.spec.mean == both.mean and model.spec.std == both.std
    torch.testing.assert_close(model.encoder.std, torch.tensor(both.std["state"]))
    assert both.std != demonstrations.spec.std


def test_it_is_the_same_clone_with_rounds_and_without(tmp_path):
    with experiment_of(tmp_path) as experiment:
        before = experiment.clones.checkpoint()
    with experiment_of(tmp_path, rounds=1) as experiment:
        assert experiment.clones.checkpoint() == before, "who advises the collection of a round plays in the test"


def test_it_is_the_same_net_however_its_chunks_are_played(tmp_path):
    nets, plays = set(), []
    for played in ({"execute": 1}, {"execute": 2}, {"execute": 1, "temporal_average": 0.5}):
        with PointExperiment(settings(tmp_path, bc=BC | played, bc_trainer=TRAINER, demonstrations=4)) as experiment:
            arm = CloneArm("bc", experiment.settings, experiment.clones.checkpoint())
            nets.add(arm.checkpoint)
            plays.append(arm.recipe())
    assert len(nets) == 1, "how a clone plays is no part of how it is trained"
    assert all(one != two for one, two in combinations(plays, 2)), "and what they played must not mix"


def test_another_collection_makes_another_clone(tmp_path):
    with experiment_of(tmp_path) as experiment:
        demonstrations = experiment.data.demonstrations()
        one = experiment.clones.checkpoint(TrainingMix(demonstrations, normaliser=(demonstrations,)))
        two = experiment.clones.checkpoint(
            TrainingMix(demonstrations, normaliser=experiment.data.normaliser(demonstrations))
        )
        assert two == experiment.clones.checkpoint() != one


def test_a_recording_in_other_physics_is_seen_by_as_well(tmp_path):
    """A model may learn from it, though its episodes cannot stand in one dataset with the demonstrations."""
    other = collect(
        tmp_path / "recorded",
        lambda: PointTask(PointConfig(observation=["state", "pixels"], physics="point 0")),
        ScriptedPolicy,
        range(12),
        ExplorationConfig({"noisy_expert": 1.0}),
        workers=1,
    )
    data = {"path": str(other), "validation_fraction": 0.25}
    with PointExperiment(settings(tmp_path, bc=BC, bc_trainer=TRAINER, demonstrations=4, data=data)) as experiment:
        both = pooled([experiment.data.demonstrations().spec, experiment.data.recording.spec])
        assert load_model(experiment.clones.checkpoint(), BehaviourCloning).spec.mean == both.mean
