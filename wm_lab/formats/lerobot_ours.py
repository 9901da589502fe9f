"""meta/wm_lab.json, which the lab writes beside LeRobot's metadata so that its own datasets come back as they were."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.errors import UserError
from wm_lab.formats.actions import RecordedScale
from wm_lab.formats.files import file_in, read_json, shortened
from wm_lab.formats.lerobot_columns import OF_A_FILE
from wm_lab.formats.lerobot_layout import OURS
from wm_lab.formats.lerobot_tasks import require_sentences
from wm_lab.formats.observed import STATE
from wm_lab.formats.source import LABELS
from wm_lab.tasks.task import TaskSpec


@dataclass(frozen=True)
class Ours:
    path: Path
    task_spec: TaskSpec
    behaviours: list[str]
    provenance: dict[str, Any]

    def require_sizes(self, shapes: Mapping[str, tuple[int, ...]], scale: RecordedScale) -> None:
        """UserError where the specification is of other actions, or of another state, than the folder holds, or where
        an observation cannot be kept under its name."""
        if self.task_spec.action_size != len(scale.low):
            raise self.damaged(
                f"it has actions of {self.task_spec.action_size} numbers, the dataset of {len(scale.low)}"
            )
        if odd := [key for key in shapes if not OF_A_FILE.fullmatch(key)]:
            raise self.damaged(f"the observation {shortened(odd[0])} has a name that is no file's")
        if STATE not in shapes or any(v.stop > shapes[STATE][0] for v in self.task_spec.variables):
            raise self.damaged("the state that it describes is not the dataset's")

    def shape(self, key: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """Of an observation that the specification names, as it is in the folder."""
        if key not in shapes:
            raise self.damaged(f"the observation {shortened(key)} is not in the dataset")
        return shapes[key]

    def checked(self, table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Facts of every episode, whose behaviours must be among those that are named."""
        which = table.get("behaviour", np.zeros(1, int))
        if not ((which >= 0) & (which < len(self.behaviours))).all():
            raise self.damaged(f"an episode has the behaviour {which.max()} of {len(self.behaviours)}")
        return table

    def damaged(self, why: object) -> UserError:
        return damaged(self.path, why)


def read_ours(folder: Path) -> Ours | None:
    """None in a dataset of others."""
    if not (folder / OURS).is_symlink() and not (folder / OURS).exists():
        return None
    path = file_in(folder, OURS)
    told = read_json(path)
    try:
        task_spec = TaskSpec.from_dict(told["task"])
        behaviours, provenance = told["behaviours"], told["provenance"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(path, repr(error)) from None
    texts = (task_spec.name, task_spec.instruction, task_spec.success_test, task_spec.physics, *task_spec.tags)
    pieces = [(v.name, v.unit) for v in task_spec.variables]
    places = [number for v in task_spec.variables for number in (v.start, v.stop)]
    sound = (
        all(isinstance(text, str) for text in (*texts, *(word for piece in pieces for word in piece)))
        and all(
            type(number) is int and number >= 0 for number in (*places, task_spec.action_size, task_spec.episode_steps)
        )
        and isinstance(task_spec.control_hz, (int, float))
        and 0 < task_spec.control_hz < math.inf
        and isinstance(task_spec.settings, dict)
        and isinstance(behaviours, list)
        and all(isinstance(name, str) for name in behaviours)
        and isinstance(provenance, dict)
        and _are_labels(provenance.get(LABELS, {}))
    )
    if not sound:
        raise damaged(path, "its values are not of their types")
    require_sentences([*texts, *behaviours, *task_spec.observation], str(path))
    return Ours(path, task_spec, behaviours, provenance)


def _are_labels(told: Any) -> bool:
    return isinstance(told, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names) for names in told.values()
    )


def damaged(path: Path, why: object) -> UserError:
    return UserError(f"{path} is damaged ({shortened(why)}); copy the dataset again, or delete this file")
