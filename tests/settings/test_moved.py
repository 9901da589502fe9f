"""What was written under an old name of a class, an option or a weight is still found, or answered with today's."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib import import_module

import pytest
import torch

from tests.entry.command import QUIET, wm_lab
from tests.models.worlds import make
from tests.training.examples import SIZES, small
from wm_lab.errors import UserError
from wm_lab.models.latent_mlp import LatentMLP, LatentMLPConfig
from wm_lab.models.video_diffusion import VideoDiffusionConfig
from wm_lab.settings import build, complete, moved, read_config, target
from wm_lab.training.checkpoint import load_model, write
from wm_lab.world_model import DataSpec, WorldModel

SPEC = DataSpec({"state": (5,)}, 2, {"state": [0.0] * 5, "reward": [1.0]}, {"state": [1.0] * 5, "reward": [2.0]})
OLD, NEW = "wm_lab.models.smallest.Smallest", "wm_lab.models.latent_mlp.LatentMLP"
CONFIG = f"{LatentMLPConfig.__module__}.LatentMLPConfig"


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    """As if latent_mlp had once had other names."""
    monkeypatch.setitem(moved.CLASSES, OLD, NEW)
    old = {
        "sureness": moved.Renamed("minimum_std", lambda value: 1 / value),
        "size": moved.Renamed("variables"),
        "colour": moved.Constant("red"),
    }
    monkeypatch.setitem(moved.OPTIONS, CONFIG, old)
    kind = f"{LatentMLP.__module__}.LatentMLP"
    monkeypatch.setitem(moved.WEIGHTS, kind, {**moved.WEIGHTS[kind], "mover.": "transition."})
    moved.warn_of_path.cache_clear()


def old_checkpoint(**changes) -> tuple[dict, LatentMLP]:
    """What a version of the lab would have written that had the old names, and the model that it held."""
    model = small("latent_mlp", SPEC)
    weights = {
        name.replace("transition.", "mover.") if name.startswith("transition.") else name: value
        for name, value in model.state_dict().items()
    }
    config = {**SIZES, "transition_units": 8, "transition_layers": 1, "size": 4, "sureness": 10.0, "colour": "red"}
    content = {
        "format": 1,
        "class": OLD.replace(".Smallest", ":Smallest"),
        "config": {**config, **changes},
        "spec": SPEC.to_dict(),
        "weights": weights,
        "facts": {},
    }
    return content, model


def test_a_checkpoint_under_old_names_gives_the_model_back(tmp_path):
    content, model = old_checkpoint()
    write(tmp_path / "best.pt", content)
    again = load_model(tmp_path / "best.pt", WorldModel)
    assert type(again) is LatentMLP and again.config == replace(model.config, thing_units=0), "as was done before"
    weights = again.state_dict()
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_that_chose_what_can_no_longer_be_chosen_is_refused(tmp_path):
    write(tmp_path / "best.pt", old_checkpoint(colour="blue")[0])
    with pytest.raises(UserError, match="colour=blue can no longer be chosen: it is always red"):
        load_model(tmp_path / "best.pt", WorldModel)


def test_an_old_target_is_found_with_one_warning_and_goes_on_under_its_new_name(caplog):
    with caplog.at_level(logging.WARNING):
        assert target(WorldModel, {"_target_": OLD}, "model") is LatentMLP
        assert isinstance(build(WorldModel, {"_target_": OLD}, "model", SPEC), LatentMLP)
        assert complete({"_target_": OLD}, "model") == complete({"_target_": NEW}, "model")
    assert [record.getMessage() for record in caplog.records] == [
        f"model._target_={OLD} is now {NEW}; please write that into your YAML"
    ]


@pytest.mark.parametrize(
    ("option", "answer"), [("size", "is called model.variables now"), ("colour", "no option any more, but always red")]
)
def test_an_old_option_in_a_yaml_is_answered_with_what_became_of_it(option, answer):
    with pytest.raises(UserError, match=rf"model\.{option} .*{answer}"):
        build(WorldModel, {"_target_": NEW, option: 3}, "model", SPEC)


def test_an_old_option_on_the_command_line_is_answered_too(tmp_path):
    ended = wm_lab(tmp_path, *QUIET, "model=latent_mlp", "model.size=3")
    assert ended.code == 2 and "model.size is called model.variables now" in ended.complaint


@pytest.mark.parametrize(
    "task", ["wm_lab.tasks.hand.HandTask", "wm_lab.tasks.gym.GymTask", "wm_lab.data.recording.RecordedTask"]
)
def test_what_a_harder_task_gets_more_of_is_found_under_its_old_name(task):
    with pytest.raises(UserError, match=r"task\.effort is called task\.budget_multiplier now"):
        complete({"_target_": task, "effort": 2.0}, "task")


def test_options_that_became_a_section_are_gathered_in_it():
    old = {"steps": 3, "layers": 1, "max_precision": 50.0, "noise_mean": -0.4, "units": 8}
    new = {"denoiser": {"steps": 3, "layers": 1}, "min_step_std": 0.02, "units": 8}
    assert moved.options_today(VideoDiffusionConfig, old) == new
    with pytest.raises(UserError, match=r"model\.steps is called model\.denoiser\.steps now"):
        read_config(VideoDiffusionConfig, {"steps": 3}, "model")


@pytest.mark.parametrize(
    ("kind", "weight"),
    [
        ("rssm-gaussian", "cell.latent.drift.weight"),
        ("latent_mlp", "encoder.vectors.state.mean"),
        ("video_token", "heads.decoder.tokenizer.vectors.norms.state.std"),
        ("decoder_only", "frame.drift.bias"),
        ("video_diffusion", "vector.drift.weight"),
    ],
)
def test_statistics_that_used_to_be_weights_are_left_out(kind, weight):
    model = make(kind)
    weights = model.state_dict()
    assert moved.weights_today(type(model), {**weights, weight: torch.zeros(1)}).keys() == weights.keys()


def test_every_row_leads_to_something_that_is_there():
    for path in moved.CLASSES.values():
        assert found(path)
    for path, options in moved.OPTIONS.items():
        assert not found(path).__dataclass_fields__.keys() & options.keys()
        assert all(has(found(path), row.name) for row in options.values() if isinstance(row, moved.Renamed))
    assert all(found(path) for path in moved.WEIGHTS)


def has(config: type, name: str) -> bool:
    """Whether a dataclass has the option, "section.option" where it is that of a section."""
    first, _, rest = name.partition(".")
    fields = config.__dataclass_fields__
    return first in fields and (not rest or has(fields[first].default_factory, rest))


def found(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
