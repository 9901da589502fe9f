"""What would not fit into memory is refused by arithmetic, before anything is built."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable

import torch
from torch import nn

from wm_lab.data.rollout import PlayConfig
from wm_lab.errors import UserError
from wm_lab.experiment.arms import is_simulator
from wm_lab.experiment.dry_run import blank_spec, build_model
from wm_lab.experiment.run_settings import Settings
from wm_lab.policies.behaviour_cloning import BehaviourCloning
from wm_lab.settings import build
from wm_lab.tasks.task import Task

NUMBER = 4
"""Bytes of a float32."""

COPIES = 5
"""Of each weight in training: itself, its gradient, AdamW's two moments, and its average."""


def require_memory(settings: Settings, task: Task) -> None:
    """UserError where weights, a batch or the candidates of a plan alone exceed the memory that there is."""
    task_spec, spec = task.task_spec, blank_spec(task)
    frame = sum(math.prod(shape) for shape in task_spec.observation.values()) + task_spec.action_size
    planner = settings.planner
    needs = {
        f"bc_trainer.batch={settings.bc_trainer['batch']}": _batch(settings.bc_trainer) * frame,
        f"trainer.batch={settings.trainer['batch']}": _batch(settings.trainer) * frame,
        "bc": COPIES * weights(lambda: build(BehaviourCloning, settings.bc, "bc", spec)),
    }
    if "candidates" in planner and "horizon" in planner:
        plans = planner["candidates"] * planner["horizon"] * task_spec.action_size
        needs[f"planner.candidates={planner['candidates']}"] = PlayConfig().group * plans
    if not is_simulator(settings):
        needs[f"model={settings.label('model')}"] = COPIES * weights(lambda: build_model(settings, task))
    here = memory(torch.device(settings.device))
    for what, numbers in needs.items():
        if NUMBER * numbers > here:
            raise UserError(
                f"{what} takes at least {_gigabytes(NUMBER * numbers)}, and there are {_gigabytes(here)} of memory on "
                f"{settings.device}; make it smaller"
            )


def weights(make: Callable[[], nn.Module]) -> int:
    """Numbers that a network would hold, made without any; 0 where it cannot be made so, as somebody's own may be."""
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return sum(weight.numel() for weight in make().parameters())
    except (RuntimeError, NotImplementedError, TypeError):
        return 0


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
