"""A training goes on from another's weights: the child is named by its parent, and another architecture is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from tests.exercises.hand_lab import changed, settings
from wm_lab.errors import UserError
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.models import Models
from wm_lab.training.checkpoint import load_model
from wm_lab.world_model import WorldModel


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Settings of a few steps of training, and the checkpoint of one."""
    store = tmp_path_factory.mktemp("parent") / "store"
    wanted = changed(settings(), store, trainer={"steps": 4}, data={"episodes": 6})
    with Experiment(wanted) as experiment:
        return wanted, experiment.models.world_model()


def child_of(wanted, place, **more):
    trainer = {**wanted.trainer, "init_from": str(place), "warmup": 0, **more}
    return replace(wanted, trainer=trainer)


def begun(wanted) -> WorldModel:
    """The model as its training would begin."""
    with Experiment(wanted) as experiment:
        return experiment.models.model_training().make()


def test_a_child_begins_with_its_parents_weights_and_is_named_by_them(trained, tmp_path):
    wanted, checkpoint = trained
    parent = load_model(checkpoint, WorldModel)
    child = begun(child_of(wanted, checkpoint))
    assert all(torch.equal(weight, child.state_dict()[name]) for name, weight in parent.state_dict().items())
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "best.pt").write_bytes(checkpoint.read_bytes())
    with Experiment(child_of(wanted, checkpoint)) as one, Experiment(wanted) as plain:
        recipe, without = one.models.model_training().recipe, plain.models.model_training().recipe
        grown = one.models.world_model()
    assert "parent" not in without and "init_from" not in without["trainer"], "what was stored before is still found"
    assert recipe["parent"]["name"] == checkpoint.parent.name
    assert grown.parent != checkpoint.parent
    assert not torch.equal(*(next(iter(load_model(path, WorldModel).parameters())) for path in (grown, checkpoint))), (
        "it has learned more"
    )


def test_a_run_names_its_model_and_that_of_the_same_seed_first(trained, tmp_path):
    wanted, checkpoint = trained
    used = [{"what": "world model", "seed": 0, "place": f"model/{checkpoint.parent.name}"}]
    (tmp_path / "result.json").write_text(json.dumps({"store": str(wanted.store), "used": used}))
    with Experiment(child_of(wanted, tmp_path)) as experiment:
        parent = experiment.models._parent("trainer", "world model")
    assert parent is not None and parent.checkpoint == checkpoint
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UserError, match="is a run that names no world model"):
        begun(child_of(wanted, tmp_path))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"units": 48, "reward_scale": 2.0}, r"another architecture: model.units is \d+ there and 48 here"),
        ({"transition_layers": 5}, r"model.transition_layers is \d there and 5 here"),
    ],
)
def test_another_architecture_is_refused_before_any_work_naming_the_first_difference(trained, section, said):
    wanted, checkpoint = trained
    known = {key: value for key, value in section.items() if key in wanted.model}
    with pytest.raises(UserError, match=said):
        Experiment(replace(child_of(wanted, checkpoint), model={**wanted.model, **known})).check()


def test_another_family_and_another_robot_are_refused(trained):
    wanted, checkpoint = trained
    other = settings("model=rssm")
    with pytest.raises(UserError, match="holds a LatentMLP, where model is a RSSM"):
        begun(replace(child_of(wanted, checkpoint), model=other.model))
    pushing = replace(child_of(wanted, checkpoint), task=settings("task=hand/push").task)
    with pytest.raises(UserError, match=r"is a model of state \[28\], where state \[35\] is to be seen"):
        Experiment(pushing).check()
    with pytest.raises(UserError, match="init_from=nowhere is neither a checkpoint nor the folder"):
        Experiment(child_of(wanted, "nowhere")).check()


def test_a_second_model_has_no_parent(trained):
    wanted, checkpoint = trained
    with Experiment(child_of(wanted, checkpoint)) as experiment:
        assert isinstance(experiment.models, Models)
        assert "parent" not in experiment.models.model_training(other=settings("model=rssm")).recipe
