"""What the lab has changed in a library's policy, and that it was worth it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.extras import need
from wm_lab.tasks import metaworld
from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask

need("metaworld", "tasks")

LIFTED = 0.06  # m, of the peg, which lies at 0.02


def reached_down(starts: int) -> tuple[int, list[int]]:
    """Steps in which the expert pushes a lifted peg down, and the steps to success of every start."""
    task, down, lasted = MetaworldTask(MetaworldConfig(name="peg-insert-side-v3")), 0, []
    for seed in range(starts):
        task.reset(seed=seed)
        expert = task.expert()
        solved, steps = False, 0
        while not solved and steps < 300:
            action = expert.act()
            down += bool(task.seen[6] > LIFTED and action[2] < -0.5)
            solved, steps = task.step(action)[-1]["success"], steps + 1
        lasted.append(steps)
    return down, lasted


def test_the_expert_does_not_reach_down_for_a_peg_that_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    down, lasted = reached_down(4)
    assert down == 0 and max(lasted) < 130
    monkeypatch.setattr(metaworld, "GRASPS", {})
    chattered, took = reached_down(4)
    assert chattered > 20 and np.mean(took) > np.mean(lasted) + 10, "as the library's policy does"
