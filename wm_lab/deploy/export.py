"""A finished run as files that need no lab to be read: weights, settings, statistics, ONNX, and a card of it all.

world_model.safetensors, clone.safetensors   weights
world_model.json, clone.json                 class, options and what it knows of the data (`DataSpec`)
clone.onnx                                   {key: [B, history, ...]} -> actions [B, chunk, A] in [-1, 1]
transition.pt2                               torch.export of one step (`Transition`)
config.yaml, README.md                       what was asked of the run; the model card
"""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, fields
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wm_lab.deploy.loaded_run import LoadedRun
from wm_lab.deploy.model_card import model_card
from wm_lab.deploy.observation import IMAGE_AXES
from wm_lab.errors import UserError
from wm_lab.models.latent_mlp import LatentMLP
from wm_lab.models.rssm import RSSM
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.settings import public_name
from wm_lab.training.checkpoint import from_parts, load_model
from wm_lab.training.trainer import BEST
from wm_lab.world_model import State, WorldModel, blank_windows

WORLD_MODEL, CLONE = "world_model", "clone"

TRANSITIONS = (LatentMLP, RSSM)
"""Families with a belief of fixed size, which one exported step carries on."""

TOLERANCE = 1e-5
"""Largest difference of an exported file from PyTorch, on actions in [-1, 1] and on beliefs of about one."""

SAMPLES = 8  # random observations that an export is compared on


def export_run(run: LoadedRun, folder: Path) -> list[Path]:
    """Write what the run trained; returns the files.

    Raises UserError where the run trained nothing, the folder exists, or a package of the extra is missing.
    """
    models = {name: model for name, model in _models(run).items() if model is not None}
    if not models:
        raise UserError(f"{run.folder} has trained no model to export; export a run of exercise=planning, for instance")
    if folder.exists():
        raise UserError(f"{folder} exists already; choose another folder, or remove it")
    folder.mkdir(parents=True)
    try:
        _fill(run, models, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # half an export is none
        raise
    return sorted(folder.iterdir())


def _fill(run: LoadedRun, models: Mapping[str, Any], folder: Path) -> None:
    safetensors = _package("safetensors.torch")
    for name, model in models.items():
        weights = {key: value.detach().cpu().clone().contiguous() for key, value in model.state_dict().items()}
        safetensors.save_file(weights, folder / f"{name}.safetensors")
        facts = {
            "class": ":".join(public_name(type(model))),
            "config": asdict(model.config),
            "spec": model.spec.to_dict(),
        }
        _write_json(folder / f"{name}.json", facts)
    if CLONE in models and not models[CLONE].config.language:  # ONNX has no place for a sentence
        export_clone(models[CLONE], folder / "clone.onnx")
    if isinstance(models.get(WORLD_MODEL), TRANSITIONS):
        export_transition(models[WORLD_MODEL], folder / "transition.pt2")
    shutil.copyfile(run.folder / "config.yaml", folder / "config.yaml")
    card = model_card(run, sorted(file.name for file in folder.iterdir()))
    (folder / "README.md").write_text(card, encoding="utf-8")


def load_exported(folder: Path | str, name: str = WORLD_MODEL) -> nn.Module:
    """The model of an export, by the lab's own classes, in `eval()` mode.

    The class must be the lab's or imported already; UserError says what is missing.
    """

    folder = Path(folder)
    try:
        facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        weights = _package("safetensors.torch").load_file(folder / f"{name}.safetensors")
    except OSError as error:
        raise UserError(f"{folder} holds no exported {name} ({error.strerror})") from error
    return from_parts({**facts, "weights": weights}, nn.Module, folder / f"{name}.safetensors").eval()


def export_clone(net: Any, path: Path) -> None:
    """The cloned policy as ONNX, any batch; UserError where onnxruntime finds other actions than PyTorch."""
    _package("onnx"), _package("onnxscript")
    runtime, keys = _package("onnxruntime"), net.observation_keys
    inputs = tuple(torch.as_tensor(value) for value in _histories(net, SAMPLES).values())
    batch = torch.export.Dim("batch", min=1, max=4096)
    with _quiet():
        torch.onnx.export(
            _ByPosition(net, keys),
            inputs,
            path,
            input_names=list(keys),
            output_names=["actions"],
            dynamic_shapes=(tuple({0: batch} for _ in keys),),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows in (1, SAMPLES):
        seen = _histories(net, rows)
        (found,) = session.run(None, seen)
        with torch.inference_mode():
            expected = net({key: torch.as_tensor(value) for key, value in seen.items()}).numpy()
        _require_same(path, found, expected)


def export_transition(model: Any, path: Path) -> None:
    """One imagined step as a torch.export program, any batch; UserError where it steps elsewhere than the model."""
    model = model.cpu().eval()
    with torch.inference_mode(False), torch.no_grad():
        belief = model.encode(blank_windows(model.spec, 1)).expand(2)
        parts = [getattr(belief, field.name).clone() for field in fields(belief)]
        action = torch.zeros(2, model.spec.action_size)
        batch = torch.export.Dim("batch", min=1, max=65_536)
        shapes = (tuple({0: batch} for _ in [*parts, action]),)
        with _quiet():
            program = torch.export.export(Transition(model, type(belief)), (*parts, action), dynamic_shapes=shapes)
            torch.export.save(program, path)
        many = belief.expand(SAMPLES // 2)
        random = torch.Generator().manual_seed(0)
        actions = torch.rand(SAMPLES, model.spec.action_size, generator=random) * 2 - 1
        inputs = [getattr(many, field.name) for field in fields(many)]
        found = torch.export.load(path).module()(*inputs, actions)
        expected = Transition(model, type(belief))(*inputs, actions)
    for one, other in zip(found, expected, strict=True):
        _require_same(path, one.numpy(), other.numpy())


class Transition(nn.Module):
    """A belief's tensors and an action [B, A] -> those of the next, features [B, F], reward [B], p(goes on) [B]."""

    def __init__(self, model: WorldModel, belief: type[State]) -> None:
        super().__init__()
        self.model, self.belief = model, belief

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        after, step = self.model.step(self.belief(*inputs[:-1]), inputs[-1])
        told = (step.features, step.reward, step.continue_probability)
        return (*(getattr(after, field.name) for field in fields(after)), *(part[:, 0, 0] for part in told))


class _ByPosition(nn.Module):
    """A clone whose observations come one after another, as ONNX has its inputs."""

    def __init__(self, net: nn.Module, keys: tuple[str, ...]) -> None:
        super().__init__()
        self.net, self.keys = net, keys

    def forward(self, *observations: Tensor) -> Tensor:
        actions: Tensor = self.net(dict(zip(self.keys, observations, strict=True)))
        return actions


def _models(run: LoadedRun) -> dict[str, Any]:
    """What the run trained, by the name of its files."""
    have = {each.what for each in run.used}
    clone = load_model(run.artifact("clone") / BEST, BehaviourCloning) if "clone" in have else None
    return {WORLD_MODEL: run.world_model if "world model" in have else None, CLONE: clone}


def _histories(net: Any, rows: int) -> dict[str, np.ndarray]:
    """Observations such as the clone may see, {key: [rows, history, ...]}, drawn by the statistics of its data."""
    random, seen = np.random.default_rng(rows), {}
    for key, shape in net.spec.observation.items():
        lead = (rows, net.config.history, *shape)
        if len(shape) == IMAGE_AXES:
            seen[key] = random.integers(0, 256, lead, dtype=np.uint8)
        else:
            mean, std = (
                np.array(getattr(net.spec, name).get(key, fill)) for name, fill in (("mean", 0.0), ("std", 1.0))
            )
            seen[key] = (mean + std * random.standard_normal(lead)).astype(np.float32)
    return seen


def _require_same(path: Path, found: np.ndarray, expected: np.ndarray) -> None:
    gap = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not gap <= TOLERANCE:
        path.unlink()
        raise UserError(f"{path.name} differs from PyTorch by {gap:.1e}, more than {TOLERANCE:.0e}; it was not written")


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"exporting needs {name.partition('.')[0]}: pip install 'wm_lab[export]'") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what exporters say to their own developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
