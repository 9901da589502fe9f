"""A cost of Meta-World falls to next to nothing on the library's own way to success, or is named before planning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.extras import need
from wm_lab.tasks.metaworld_costs import CAUTIONS, MENDED, caution

QUICK = ("dial-turn-v3", "stick-push-v3")


def costs(name: str, seed: int) -> np.ndarray:
    """Costs on the policy's way up to its first success."""
    from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask

    task = MetaworldTask(MetaworldConfig(name=name))
    task.reset(seed=seed)
    expert, found = task.expert(), []
    for _ in range(300):
        info = task.step(expert.act())[-1]
        found.append(float(task.cost(torch.from_numpy(task.state()))))
        if info["success"]:
            return np.array(found)
    raise AssertionError(f"the policy of {name} does not solve seed {seed}")


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(MENDED - set(QUICK)))]
)
def test_a_mended_cost_falls_to_a_third_on_the_way_to_success(name):
    need("metaworld", "tasks")
    found = costs(name, seed=2000)
    assert found[-1] < 0.34 * found[0]
    assert np.argmin(found) > 0.6 * len(found), "it is lowest near success"


def test_data_of_a_mended_cost_are_not_mixed_with_older_ones():
    need("metaworld", "tasks")
    from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask

    physics = {name: MetaworldTask(MetaworldConfig(name=name)).task_spec.physics for name in ("hammer-v3", "push-v3")}
    assert physics["hammer-v3"] == f"{physics['push-v3']}, cost 2"


def test_a_cost_that_may_mislead_says_what_was_measured():
    assert caution("push-v3") == ""
    for name, measured in CAUTIONS.items():
        assert f"metaworld/{name}" in caution(name) and all(f"{value:.2f}" in caution(name) for value in measured)
