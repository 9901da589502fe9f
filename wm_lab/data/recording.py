"""A task that is only a description: what was recorded elsewhere can be learnt from, and played by nobody."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from wm_lab.data.shard import MANIFEST, OBSERVATION, Shard, open_shard
from wm_lab.domains import Multiplier
from wm_lab.errors import UserError, unknown
from wm_lab.tasks.task import Expert, PlanningHints, Task, TaskSpec


@dataclass
class RecordedTaskConfig:
    path: str | None = None
    """A dataset of the lab, such as `wm-lab-data import` writes."""
    observation: list[str] | None = None
    """What models see of all that was recorded; null: what its specification names."""
    budget_multiplier: Multiplier = 1.0
    """How much more training than a short reach this task deserves."""
    planning: PlanningHints = field(default_factory=PlanningHints)
    """What planners begin with on this task."""


def open_recorded(path: Path) -> Shard:
    """The dataset at `path`, its contents unchecked; UserError says how one of another format becomes one of ours."""
    if path.exists() and not (path / MANIFEST).exists():
        raise UserError(
            f"data.path={path} is no dataset of the lab; bring it into one first: wm-lab-data import {path} NEW_FOLDER"
        )
    return open_shard(path, 0)


class RecordedTask(Task):
    """Has a specification and a first state; whatever would need a simulator raises UserError."""

    Config = RecordedTaskConfig
    playable = False

    def __init__(self, config: RecordedTaskConfig) -> None:
        if config.path is None:
            raise UserError("a recorded task is described by its dataset; choose data=recorded data.path=FOLDER")
        shard = open_recorded(Path(config.path).expanduser())
        self.task_spec = TaskSpec.from_dict(shard.task_spec)
        self._first = np.array(shard.columns[OBSERVATION + "state"][0])
        if config.observation is not None:
            shapes = {
                name.removeprefix(OBSERVATION): tuple(column.shape[1:])
                for name, column in shard.columns.items()
                if name.startswith(OBSERVATION)
            }
            for key in config.observation:
                if key not in shapes:
                    raise unknown("recorded observation", key, shapes)
            self.task_spec = replace(self.task_spec, observation={key: shapes[key] for key in config.observation})
        last = int(shard.columns["episode.offset"][0]) + int(shard.columns["episode.length"][0])
        shown = {*self.task_spec.observation, "state"}
        self._end = {key: np.array(shard.columns[OBSERVATION + key][last]) for key in shown}

    def command(self, action: np.ndarray) -> np.ndarray:
        """In the units of the recording, of which its import made [-1, 1]."""
        settings = self.task_spec.settings
        if "action_low" not in settings:
            return action
        low, high = (np.array(settings[name]) for name in ("action_low", "action_high"))
        found: np.ndarray = (low + high) / 2 + np.clip(action, -1, 1) * (high - low) / 2
        return found.astype(np.float32)

    def state(self) -> np.ndarray:
        """The first state that was recorded."""
        return self._first

    def goal_observation(self) -> dict[str, np.ndarray]:
        """What the first episode ends with: to a recording whatever was seen may be a goal."""
        return dict(self._end)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> NoReturn:
        self._refuse()

    def step(self, action: np.ndarray) -> NoReturn:
        self._refuse()

    def cost(self, state: Tensor) -> NoReturn:
        self._refuse()

    def snapshot(self) -> NoReturn:
        self._refuse()

    def restore(self, snapshot: np.ndarray) -> NoReturn:
        self._refuse()

    def expert(self) -> Expert:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserError(
            f"{self.task_spec.name} is a recording and has no simulator to play in; ask exercise=imagination or "
            "exercise=latent of it, or choose the task that was recorded"
        )
