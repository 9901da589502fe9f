"""What is exported computes what the lab computes, and says what it is."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.entry.command import QUIET, runs, wm_lab
from tests.extras import need
from tests.models.worlds import SIGHT, SPEC, make_informed, noise_windows
from wm_lab import UserError, load_run
from wm_lab.deploy import export, model_card
from wm_lab.export_command import main
from wm_lab.policies import BehaviourCloning, BehaviourCloningConfig

for package in ("onnx", "onnxruntime", "onnxscript", "safetensors"):
    need(package, "export")


@pytest.mark.parametrize("spec", [SPEC, SIGHT], ids=["state", "pixels"])
def test_a_clone_acts_the_same_as_onnx(spec, tmp_path):
    torch.manual_seed(0)
    net = BehaviourCloning(BehaviourCloningConfig(hidden=16, image_features=8), spec).eval()
    export.export_clone(net, tmp_path / "clone.onnx")  # which compares
    assert (tmp_path / "clone.onnx").stat().st_size > 1000


@pytest.mark.parametrize("kind", ["latent_mlp", "rssm-gaussian", "rssm-categorical"])
def test_an_exported_step_is_the_models_own(kind, tmp_path):
    model = make_informed(kind, ensemble=3).eval()
    export.export_transition(model, tmp_path / "step.pt2")
    belief = model.encode(noise_windows(b=5))
    action = torch.rand(5, model.spec.action_size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    parts = [getattr(belief, field.name).detach() for field in fields(belief)]
    *after, features, reward, goes_on = torch.export.load(tmp_path / "step.pt2").module()(*parts, action)
    expected, step = model.step(belief, action)
    assert all(
        torch.allclose(a, getattr(expected, f.name), atol=1e-5) for a, f in zip(after, fields(belief), strict=True)
    )
    assert torch.allclose(features, step.features[:, 0, 0], atol=1e-5)
    assert torch.allclose(reward, step.reward[:, 0, 0], atol=1e-5) and goes_on.shape == (5,)


def test_what_differs_from_pytorch_is_not_written(tmp_path):
    path = tmp_path / "clone.onnx"
    path.touch()
    with pytest.raises(UserError, match=r"clone.onnx differs from PyTorch by 1.0e-02, more than 1e-05"):
        export._require_same(path, torch.tensor([0.51]).numpy(), torch.tensor([0.5]).numpy())
    assert not path.exists()


def test_a_run_is_exported_loads_again_and_is_not_written_over(tmp_path_factory, capsys):
    place = tmp_path_factory.mktemp("run")
    asked = (
        "model=latent_mlp",
        "exercise=planning_brief",
        "cloning.validation_episodes=0",
        "exercise.oracle_episodes=0",
    )
    ended = wm_lab(place, *QUIET, *asked)
    assert ended.code == 0, ended.err
    (run,), folder = runs(place), place / "export"
    assert main([str(run), str(folder)]) == 0
    assert {file.name for file in folder.iterdir()} == {
        *("README.md", "config.yaml", "world_model.json", "world_model.safetensors", "transition.pt2"),
        *("clone.json", "clone.safetensors", "clone.onnx"),
    }
    original = load_run(run).world_model.state_dict()
    again = export.load_exported(folder).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in original.items())
    card = (folder / "README.md").read_text()
    assert "latent_mlp on hand/reach" in card and "| mpc | 0." in card and "clone.onnx" in card and "licence" in card
    assert "execute the first 2 of each chunk" in card, "one action at a time, a clone may wait for ever"
    assert "- `mpc`: planning in the learned model\n" in card and "`greedy`" not in card
    assert json.loads((folder / "clone.json").read_text())["spec"]["observation"] == {"state": [28]}
    capsys.readouterr()
    assert main([str(run), str(folder)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["world_model.json", "transition.pt2"], ['load_exported(".")', "transition.pt2"]),
        (["clone.json", "clone.onnx"], ['load_exported(".", "clone")', "clone.onnx"]),
        (["world_model.json"], ['load_exported(".")']),
    ],
)
def test_a_card_says_how_to_load_what_is_there_and_nothing_else(files, told):
    run = SimpleNamespace(settings=SimpleNamespace(bc={}))
    text = "\n".join(model_card._loading(run, files))
    ways = ('load_exported(".")', 'load_exported(".", "clone")', "clone.onnx", "transition.pt2")
    assert [way for way in ways if way in text] == told


def test_a_missing_package_is_named_with_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    net = BehaviourCloning(BehaviourCloningConfig(), SPEC)
    with pytest.raises(UserError, match=r"exporting needs onnxruntime: pip install 'wm_lab\[export\]'"):
        export.export_clone(net, Path(tmp_path / "clone.onnx"))
