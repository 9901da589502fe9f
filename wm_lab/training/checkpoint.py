"""Checkpoints: a model as plain data, written whole or not at all, read without running anything they hold."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from wm_lab.errors import UserError
from wm_lab.settings import config_of, moved, public_name, read_config
from wm_lab.settings.trust import is_trusted
from wm_lab.world_model import DataSpec, Trainable

FORMAT = 1

Model = TypeVar("Model", bound=nn.Module)


def save_model(path: Path, model: Trainable, weights: Mapping[str, torch.Tensor], **facts: Any) -> None:
    """Write everything needed to build `model` again: its class, config, data spec and `weights`; `facts` are plain."""
    kind = type(model)
    write(
        path,
        {
            "format": FORMAT,
            "class": ":".join(public_name(kind)),
            "config": asdict(model.config),
            "spec": model.spec.to_dict(),
            "weights": dict(weights),
            "facts": facts,
        },
    )


def load_model(path: Path, kind: type[Model], device: torch.device | str = "cpu", ends: bool = False) -> Model:
    """The model in a checkpoint, in `eval()` mode.

    ends: whether the data that it is to learn from next holds episodes that truly ended; its own may have had none
    UserError where the file is missing, damaged, no checkpoint, or one of a model that is no `kind`.
    """
    content = read(path)
    if "class" not in content:
        raise UserError(f"{path} holds no model but the state of a training; load {path.with_name('best.pt')} instead")
    if ends and "spec" in content:
        content["spec"] = {**content["spec"], "ends": True}
    return from_parts(content, kind, path).to(device).eval()


def from_parts(content: Mapping[str, Any], kind: type[Model], path: Path) -> Model:
    """The model of which `content` tells class, config, spec and weights, as they stand in `path`.

    Raises UserError as `load_model` does.
    """
    found = _find(content["class"], path)
    if not issubclass(found, kind):
        raise UserError(f"{path} holds a {found.__name__}, which is no {kind.__name__}; name another checkpoint")
    make: Callable[..., Model] = found
    try:
        options = moved.options_today(config_of(found), content["config"])
        model = make(read_config(config_of(found), options, "model"), DataSpec.from_dict(content["spec"]))
        weights = {str(name): torch.as_tensor(weight) for name, weight in content["weights"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} describes no whole model ({reason}); delete it to train the model again") from error
    for name, weight in weights.items():
        if not torch.isfinite(weight).all():
            raise UserError(f"{path} holds weights that are not finite, in {name}; delete it to train the model again")
    fill(model, weights, path)
    return model


def fill(model: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Give `model` the weights that stand in `path`. UserError where its code has changed since they were written."""
    try:
        model.load_state_dict(moved.weights_today(type(model), weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n\t")[1:2]) or str(error)
        raise UserError(
            f"{path} does not fit {type(model).__name__} as it is now ({reason}); delete it to train the model again"
        ) from error


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Save beside, then rename: whoever reads sees the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:  # given a path, torch says of a full disk only at which byte it failed
            torch.save(dict(content), file)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        reason = getattr(cause, "strerror", None) or str(cause).splitlines()[0]
        raise UserError(
            f"{path} cannot be written ({reason}); check that its folder exists and the disk has room"
        ) from error


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU; only tensors and plain values are ever unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # torch itself never compares the checksums it writes
        if broken is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {broken}")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"there is no checkpoint at {path}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    except Exception as error:  # one flipped bit in an archive's bookkeeping, and its reader raises of every kind
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"{path} is damaged or is no checkpoint of wm_lab ({reason}); delete it to train again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is no checkpoint of this version of wm_lab; train the model again")
    return content


def _find(name: str, path: Path) -> type[nn.Module]:
    """The class that a checkpoint was written by, "module:Class", also where it has moved since."""
    module, _, attribute = moved.class_path(str(name).replace(":", ".")).rpartition(".")
    # What is imported already was named by whoever runs this: a script, a notebook.
    if module not in sys.modules and not is_trusted(module):
        raise UserError(
            f"{path} names the class {name}, of a module that the configuration does not name, so it is not imported; "
            "choose that model, with --config-dir where its YAML lies, or import its module first"
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{path} is a model of the class {name}, which cannot be imported ({error}); make its file importable "
            "again, or train the model anew"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module) and hasattr(found, "Config")):
        raise UserError(f"{path} names {name}, which is no model of this lab; train the model anew")
    return found
