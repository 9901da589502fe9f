"""What is said of a state alone is what Meta-World says with the simulation at hand, at every step."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.extras import need
from wm_lab.tasks.metaworld_success import SUCCESS, TILT
from wm_lab.tasks.task import Task

QUICK = ("assembly-v3", "peg-insert-side-v3", "push-v3", "stick-pull-v3")
REACH = ("reach-v3", "reach-wall-v3")
PLAY_ON = 40  # steps after the first success: things are let go, or taken out again


@cache
def task(name: str) -> Task:
    need("metaworld", "tasks")
    from wm_lab.tasks.metaworld import MetaworldConfig, MetaworldTask

    return MetaworldTask(MetaworldConfig(name=name))


def played(name: str) -> tuple[np.ndarray, np.ndarray]:
    """States [T, D] and success [T] of the expert's episodes, as it is and under noise, and of a random one."""
    states, told = [], []
    for seed, (share, noise) in enumerate([(1.0, 0.0), (1.0, 0.5), (0.0, 1.0)]):
        task(name).reset(seed=3000 + seed)
        expert, rng, after = task(name).expert(), np.random.default_rng(seed), 0
        for _ in range(task(name).task_spec.episode_steps):
            wanted = share * expert.act() + noise * rng.uniform(-1, 1, 4)
            info = task(name).step(np.clip(wanted, -1, 1).astype(np.float32))[-1]
            states.append(task(name).state())
            told.append(info["success"])
            after += info["success"]
            if after > PLAY_ON:
                break
    return np.stack(states), np.array(told)


@pytest.mark.parametrize(
    "name",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(set(SUCCESS) - set(QUICK) - set(REACH)))],
)
def test_a_state_says_at_every_step_what_the_library_says(name):
    states, told = played(name)
    assert told.any() and not told.all()
    np.testing.assert_array_equal(task(name).solved(states), told)
    np.testing.assert_array_equal(task(name).solved(states[:, None]), told[:, None])


@pytest.mark.slow
@pytest.mark.parametrize("name", REACH)
def test_where_a_tilted_hand_hides_the_point_they_differ_at_the_border_alone(name):
    states, told = played(name)
    hand, goal = states[:, :3] - np.float32([0, 0, 0.045]), states[:, -3:]
    differ = task(name).solved(states) != told
    assert np.all(np.abs(np.linalg.norm(hand - goal, axis=-1) - 0.05)[differ] < TILT)
    assert differ.mean() < 0.05 and told.any()


def test_a_task_that_asks_for_touch_refuses():
    with pytest.raises(LookupError, match="stick-push-v3 does not tell by a state alone"):
        task("stick-push-v3").solved(np.zeros(39, np.float32))


@pytest.mark.parametrize("name", ["assembly-v3", "peg-insert-side-v3"])
def test_a_rotation_that_a_model_made_up_is_read_all_the_same(name):
    task(name).reset(seed=1)
    state = task(name).state().copy()
    here = task(name).solved(state)
    for length in (0.5, 3.0):
        longer = state.copy()
        longer[7:11] *= length
        assert task(name).solved(longer) == here
    nothing = np.full_like(state, np.nan)
    assert not task(name).solved(nothing)
    state[7:11] = 0.0
    assert not task(name).solved(state)
