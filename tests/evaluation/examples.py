"""Made-up tasks, manifests and arms that the tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from wm_lab.evaluation.manifest import Manifest, freeze
from wm_lab.evaluation.outcomes import Outcomes
from wm_lab.tasks.task import TaskSpec, Variable

VARIABLES = (Variable("hand", 0, 2, "m"), Variable("block", 2, 4, "m", tolerance=0.02))


def task_spec(name: str = "toy/push", tags: tuple[str, ...] = ("contact",), **changes: Any) -> TaskSpec:
    values: dict[str, Any] = {
        "name": name,
        "observation": {"state": (4,)},
        "action_size": 2,
        "episode_steps": 60,
        "control_hz": 20.0,
        "tags": tags,
        "instruction": "Push the block to the goal.",
        "success_test": "block-to-goal<0.02@1",
        "physics": "toy 1.0",
        "variables": VARIABLES,
        "settings": {"tolerance": 0.02, "goal_distance": 0.1},
    }
    return TaskSpec(**{**values, **changes})


def outcomes(success: Any, arm: str = "mpc", manifest: Manifest | None = None, **changes: Any) -> Outcomes:
    flags = np.asarray(success, bool)
    values: dict[str, Any] = {
        "arm": arm,
        "manifest": manifest or freeze(task_spec(), len(flags)),
        "success": flags,
        "success_at_end": flags,
        "steps_to_success": np.where(flags, 20.0, np.nan),
        "episode_return": np.where(flags, -1.0, -5.0),
        "decision_ms": np.full(len(flags), 12.0),
        "predicted": np.full(len(flags), np.nan),
        "realised": np.full(len(flags), np.nan),
    }
    return Outcomes(**{**values, **changes})


def solved(count: int, of: int) -> np.ndarray:
    """Flags [of], the first `count` true."""
    return np.arange(of) < count
