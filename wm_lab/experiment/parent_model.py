"""Training that goes on from a trained model: fine-tuning on other data, or longer training on the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from wm_lab.errors import UserError
from wm_lab.evaluation.json_files import read_json
from wm_lab.experiment.run_settings import Section
from wm_lab.settings import TARGET, build
from wm_lab.tracking.run_folder import RESULT
from wm_lab.training.checkpoint import load_model
from wm_lab.training.trainer import BEST

Trained = TypeVar("Trained", bound=nn.Module)

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Parent:
    """The model that another begins with; `option` is what named it."""

    checkpoint: Path
    option: str

    def recipe(self) -> Section:
        """What names a child's artifact: its parent's folder, and the parent's weights wherever they lie."""
        return {
            "name": self.checkpoint.parent.name,
            "sha256": hashlib.sha256(self.checkpoint.read_bytes()).hexdigest(),
        }

    def child(self, kind: type[Trained], section: Section, name: str, seen: Shapes, ends: bool = False) -> Trained:
        """A model with the options of this section that begins with the parent's weights.

        It keeps its parent's statistics of the data, by which the weights were learned.
        seen: shapes of what it is to observe
        ends: whether an episode that it learns from truly ended
        Raises UserError, naming the first difference, where it is of another architecture.
        """
        parent: Any = load_model(self.checkpoint, nn.Module, ends=ends)
        if dict(parent.spec.observation) != dict(seen):
            raise UserError(
                f"{self.option} is a model of {_told(parent.spec.observation)}, where {_told(seen)} is to be seen"
            )
        with torch.random.fork_rng():
            child = build(kind, section, name, parent.spec)
        if type(child) is not type(parent):
            found, wanted = type(parent).__name__, type(child).__name__
            raise UserError(f"{self.option} holds a {found}, where {name} is a {wanted}; choose the same")
        weights = parent.state_dict()
        if weight := _first_difference(weights, child.state_dict()):
            options = _deciding(kind, section, name, parent)
            raise UserError(
                f"{self.option} is of another architecture: {options}, seen in the weight {weight}; give the model the "
                "same options, or train it from the beginning"
            )
        child.load_state_dict(weights)
        return child


def parent_of(init_from: str | None, what: str, seed: int, option: str) -> Parent | None:
    """What `trainer.init_from` names: a checkpoint, a model's folder in the store, or a run; None where it is not set.

    what: "world model" or "clone", of the run's training with this seed, or of its first
    Raises UserError where there is none.
    """
    if init_from is None:
        return None
    option, path = f"{option}={init_from}", Path(init_from).expanduser().absolute()
    for file in (path, path / BEST):
        if file.is_file():
            return Parent(file, option)
    if not (path / RESULT).is_file():
        raise UserError(
            f"{option} is neither a checkpoint nor the folder of a finished run; name best.pt of a model in the store, "
            "or a folder below outputs/runs"
        )
    result = read_json(path / RESULT, "result", vouched=False)
    found = {each["seed"]: each["place"] for each in result.get("used", []) if each["what"] == what}
    if not found:
        raise UserError(f"{option} is a run that names no {what}; name the checkpoint itself")
    checkpoint = (path / result["store"] / found.get(seed, next(iter(found.values())))).resolve() / BEST
    if not checkpoint.is_file():
        raise UserError(f"{option} used {checkpoint}, which is gone from the store; run it again")
    return Parent(checkpoint, option)


def _first_difference(theirs: Mapping[str, torch.Tensor], ours: Mapping[str, torch.Tensor]) -> str | None:
    """The first weight that only one of them has, or that is of another shape."""
    for weight in [*ours, *theirs]:
        if weight not in ours or weight not in theirs or ours[weight].shape != theirs[weight].shape:
            return weight
    return None


def _deciding(kind: type[nn.Module], ours: Section, name: str, parent: Any) -> str:
    """The first option that alone makes another architecture, `model.units is 128 there and 256 here`."""
    theirs = asdict(parent.config)
    for key in theirs:
        if key in ours and ours[key] != theirs[key]:
            with suppress(UserError), torch.random.fork_rng():
                other = build(kind, {TARGET: ours[TARGET], **theirs, key: ours[key]}, name, parent.spec)
                if _first_difference(parent.state_dict(), other.state_dict()):
                    return f"{name}.{key} is {theirs[key]} there and {ours[key]} here"
    return "its options together"


def _told(observation: Shapes) -> str:
    return ", ".join(f"{key} {list(shape)}" for key, shape in observation.items())
