"""What would not fit into memory is refused by arithmetic, before anything is built."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from wm_lab.data.rollout import PlayConfig
from wm_lab.errors import UserError
from wm_lab.experiment.chosen import is_simulator
from wm_lab.experiment.dry_run import DryRun

NUMBER = 4
"""Bytes of a float32."""

COPIES = 5
"""Of each weight in training: itself, its gradient, AdamW's two moments, and its average."""

FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn}
"""What networks are made by, all of which take a shape."""


def require_memory(dry_run: DryRun) -> None:
    """UserError where weights, a batch or the candidates of a plan alone exceed the memory that there is."""
    settings, task_spec = dry_run.settings, dry_run.task.task_spec
    here = memory(torch.device(settings.device))
    most = here // (NUMBER * COPIES)
    frame = sum(math.prod(shape) for shape in task_spec.observation.values()) + task_spec.action_size
    planner = settings.planner
    needs = {
        f"bc_trainer.batch={settings.bc_trainer['batch']}": _batch(settings.bc_trainer) * frame,
        f"trainer.batch={settings.trainer['batch']}": _batch(settings.trainer) * frame,
        "bc": COPIES * weights(lambda: dry_run.clone, most),
    }
    if "candidates" in planner and "horizon" in planner:
        plans = planner["candidates"] * planner["horizon"] * task_spec.action_size
        needs[f"planner.candidates={planner['candidates']}"] = PlayConfig().group * plans
    if not is_simulator(settings):
        needs[f"model={settings.label('model')}"] = COPIES * weights(lambda: dry_run.model, most)
    for what, numbers in needs.items():
        if NUMBER * numbers > here:
            raise UserError(
                f"{what} takes at least {_gigabytes(NUMBER * numbers)}, and there are {_gigabytes(here)} of memory on "
                f"{settings.device}; make it smaller"
            )


def weights(make: Callable[[], nn.Module], most: int) -> int:
    """Numbers that a network holds; of one with more than `most`, how many it had asked for when it was stopped."""
    try:
        with _Counting(most):
            network = make()
    except _TooManyError as stopped:
        return stopped.numbers
    return sum(weight.numel() for weight in network.parameters())


class _TooManyError(Exception):
    def __init__(self, numbers: int) -> None:
        super().__init__(numbers)
        self.numbers = numbers


class _Counting(TorchFunctionMode):
    """Stops whoever asks for more than `most` numbers in all, before memory is given for the last of them.

    Networks on the device "meta" would need none at all, but load PyTorch's compiler, which takes a second.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.numbers = most, 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in FACTORIES:
            self.numbers += math.prod(args[0] if args and not isinstance(args[0], int) else args)
            if self.numbers > self.most:
                raise _TooManyError(self.numbers)
        return func(*args, **(kwargs or {}))


def memory(device: torch.device) -> int:
    """Bytes that there are, of a GPU or of the machine, as far as this process may have them."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return physical if limit == resource.RLIM_INFINITY else min(physical, limit)


def _batch(trainer: dict[str, int]) -> int:
    return trainer["batch"] * trainer["length"]


def _gigabytes(number: float) -> str:
    return f"{number / 2**30:,.1f} GiB"
