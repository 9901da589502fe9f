"""Scenes that need no training: the truth beside itself, or beside a model that has learnt nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from wm_lab.experiment.dry_run import build_model
from wm_lab.objectives import ObjectiveConfig, build_objective
from wm_lab.planners.cem import CEM, CEMConfig
from wm_lab.play.pictures import Pictures
from wm_lab.play.scene import Choices, Scene, settings_of
from wm_lab.play.session import PlaySession
from wm_lab.play.table import PlayTable
from wm_lab.policies.mpc import MPC, MPCConfig
from wm_lab.policies.scripted import ExpertPolicy
from wm_lab.settings import build
from wm_lab.tasks.task import Task

REACH = ("task=hand/reach", "scale=smoke", "device=cpu")
STILL = np.zeros(7, np.float32)


def scene(*words: str, outputs: Path = Path("outputs")) -> Scene:
    """The scene of these overrides with a model as it is before training."""
    settings = settings_of([*REACH, *words, f"outputs={outputs}"])
    make_task = partial(build, Task, settings.task, "task")
    size = make_task().task_spec.action_size
    model = build_model(settings, make_task()).eval()
    objective = build_objective(ObjectiveConfig(), model)
    planner = MPC(MPCConfig(), model, CEM(CEMConfig(horizon=4, candidates=16, elites=4, iterations=1), size), objective)
    session = PlaySession(make_task(), model, {"planner": planner, "expert": ExpertPolicy()})
    return Scene(settings, settings.label("model"), "simulator", session, Pictures(session, make_task), planner)


def table(folder: Path, *words: str) -> PlayTable:
    """A table at which nothing has been played."""
    made = scene(*(words or ("model=simulator",)), outputs=folder / "outputs")
    return PlayTable(
        made, Choices([*REACH, "model=simulator", f"outputs={folder / 'outputs'}"], folder), folder / "played"
    )
