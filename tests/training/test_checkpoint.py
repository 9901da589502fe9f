"""Checkpoints are whole or absent, run nothing they hold, and say in one sentence what is wrong with them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.examples import OneNumber, OneNumberConfig, small
from wm_lab.errors import UserError
from wm_lab.models.latent_mlp import model as module
from wm_lab.settings import target
from wm_lab.training.checkpoint import load_model, read, save_model, write
from wm_lab.world_model import ActsItself, DataSpec, WorldModel

SPEC = DataSpec({"state": (5,)}, 2, {"state": [0.0] * 5, "reward": [1.0]}, {"state": [1.0] * 5, "reward": [2.0]})


def saved(path: Path, kind: str = "rssm") -> torch.nn.Module:
    model = small(kind, SPEC)
    save_model(path, model, model.state_dict(), step=12)
    return model


@pytest.mark.parametrize("kind", ["rssm", "latent_mlp"])
def test_a_model_comes_back_as_it_was_and_ready_to_plan(tmp_path, kind):
    model = saved(tmp_path / "best.pt", kind)
    again = load_model(tmp_path / "best.pt", WorldModel)
    assert type(again) is type(model) and not again.training
    assert again.config == model.config and again.spec == model.spec
    weights, found = model.state_dict(), again.state_dict()
    assert all(torch.equal(weights[key], found[key]) for key in weights)
    assert read(tmp_path / "best.pt")["facts"] == {"step": 12}


def test_a_model_that_goes_on_with_data_that_ends_learns_of_ends(tmp_path):
    model = small("latent_mlp", replace(SPEC, ends=False))
    save_model(tmp_path / "best.pt", model, model.state_dict())
    assert not load_model(tmp_path / "best.pt", WorldModel).spec.ends
    assert load_model(tmp_path / "best.pt", WorldModel, ends=True).spec.ends


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    model = saved(tmp_path / "best.pt")
    with pytest.raises(UserError, match=r"best\.pt cannot be written"):
        write(tmp_path / "best.pt", {"format": 1, "weights": Unwritable()})
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
    assert load_model(tmp_path / "best.pt", WorldModel).config == model.config


class Unwritable:
    def __reduce__(self):
        raise OSError(28, "No space left on device")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone/best\.pt cannot be written"):
        saved(tmp_path / "gone" / "best.pt")


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint at .*best\.pt"):
        load_model(tmp_path / "best.pt", WorldModel)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "best.pt"
    saved(path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    path.write_bytes({"cut": whole[:middle], "empty": b"", "text": b"hello\n", "flipped": flipped}[damage])
    with pytest.raises(UserError, match=r"best\.pt"):
        load_model(path, WorldModel)


def test_a_bit_that_is_flipped_anywhere_in_a_checkpoint_is_told_or_changes_nothing(tmp_path):
    path = tmp_path / "best.pt"
    write(path, {"format": 1, "weights": {"w": torch.arange(3.0)}})
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        with suppress(UserError):
            assert read(path)["weights"]["w"].tolist() == [0.0, 1.0, 2.0], place


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_in_a_checkpoint_is_ever_run(tmp_path):
    torch.save({"format": 1, "weights": Bomb(tmp_path / "exploded")}, tmp_path / "best.pt")
    with pytest.raises(UserError, match="damaged or is no checkpoint"):
        load_model(tmp_path / "best.pt", WorldModel)
    assert not (tmp_path / "exploded").exists()


def test_a_foreign_file_and_a_file_that_only_training_understands_are_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match="no checkpoint of this version"):
        load_model(tmp_path / "foreign.pt", WorldModel)
    write(tmp_path / "last.pt", {"format": 1, "step": 3})
    with pytest.raises(UserError, match=r"last\.pt holds no model"):
        load_model(tmp_path / "last.pt", WorldModel)


def test_weights_of_another_shape_are_refused_in_one_line(tmp_path):
    model = small("rssm", SPEC)
    weights = model.state_dict()
    name = next(iter(weights))
    save_model(tmp_path / "best.pt", model, {**weights, name: torch.zeros(1, 2, 3)}, step=1)
    with pytest.raises(UserError, match="does not fit") as error:
        load_model(tmp_path / "best.pt", WorldModel)
    assert "\n" not in str(error.value)


def test_a_model_whose_code_is_gone_is_named(tmp_path):
    model = OneNumber(OneNumberConfig(), SPEC)
    OneNumber.__qualname__, name = "Vanished", OneNumber.__qualname__
    save_model(tmp_path / "best.pt", model, model.state_dict(), step=1)
    OneNumber.__qualname__ = name
    with pytest.raises(UserError, match="Vanished"):
        load_model(tmp_path / "best.pt", WorldModel)


def test_a_module_that_only_a_checkpoint_names_is_never_imported(tmp_path, monkeypatch):
    (tmp_path / "evilmod.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')\nclass X: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    saved(tmp_path / "best.pt")
    write(tmp_path / "best.pt", {**read(tmp_path / "best.pt"), "class": "evilmod:X"})
    with pytest.raises(UserError, match=r"names the class evilmod:X, of a module that the configuration does not name"):
        load_model(tmp_path / "best.pt", WorldModel)
    assert not (tmp_path / "exploded").exists() and "evilmod" not in sys.modules


@pytest.mark.slow
def test_a_module_that_the_configuration_names_is_imported_also_in_another_process(tmp_path, monkeypatch):
    monkeypatch.setenv("WM_LAB_MODULES", "")
    source = Path(module.__file__).read_text()
    (tmp_path / "my_lab_models.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    saved(tmp_path / "best.pt", "latent_mlp")
    write(tmp_path / "best.pt", {**read(tmp_path / "best.pt"), "class": "my_lab_models:LatentMLP"})
    script = (
        "import sys; from wm_lab.training.checkpoint import load_model; from wm_lab.world_model import WorldModel; "
        "print(type(load_model(sys.argv[1], WorldModel)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "best.pt")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    refused = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "does not name" in refused.stderr
    target(WorldModel, {"_target_": "my_lab_models.LatentMLP"}, "model")  # what choosing model=mine does
    environment["WM_LAB_MODULES"] = os.environ["WM_LAB_MODULES"]
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "my_lab_models.LatentMLP" in told.stdout


@pytest.mark.parametrize("name", ["os:path", "wm_lab.errors:UserError", "wm_lab.store:Store", 7, "json:tool.main"])
def test_a_class_that_is_no_model_is_refused(tmp_path, name):
    saved(tmp_path / "best.pt")
    write(tmp_path / "best.pt", {**read(tmp_path / "best.pt"), "class": name})
    with pytest.raises(UserError, match=r"best\.pt"):
        load_model(tmp_path / "best.pt", WorldModel)


def test_a_model_of_another_kind_than_was_asked_for_is_refused(tmp_path):
    saved(tmp_path / "best.pt")
    with pytest.raises(UserError, match=r"best\.pt holds a RSSM, which is no ActsItself"):
        load_model(tmp_path / "best.pt", ActsItself)


@pytest.mark.parametrize("part", ["config", "spec", "weights"])
@pytest.mark.parametrize("value", [None, 3, [], {"a": "b"}])
def test_a_checkpoint_with_a_part_of_another_kind_is_refused(tmp_path, part, value):
    saved(tmp_path / "best.pt")
    write(tmp_path / "best.pt", {**read(tmp_path / "best.pt"), part: value})
    with pytest.raises(UserError):
        load_model(tmp_path / "best.pt", WorldModel)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path, value):
    saved(tmp_path / "best.pt")
    content = read(tmp_path / "best.pt")
    name = next(iter(content["weights"]))
    content["weights"][name].view(-1)[0] = value
    write(tmp_path / "best.pt", content)
    with pytest.raises(UserError, match=f"not finite, in {name}"):
        load_model(tmp_path / "best.pt", WorldModel)
