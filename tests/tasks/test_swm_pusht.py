"""stable-worldmodel's PushT, against what its published source does, and the exact way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.extras import need
from wm_lab.errors import UserError
from wm_lab.tasks.swm_pusht import PushTConfig, PushTTask

need("pymunk", "swm")

START = np.array([256.0, 400.0, 300.0, 300.0, 0.4, 0.0, 0.0])
PUSHED = [246.379381, 284.552565, 338.708814, 243.100669, 0.557175622, -18.585604, -223.027254]
"""Disc, T, turn and velocity of the published environment at addbab4, after five steps of `PUSH` from `START`."""
PUSH = np.array([-0.05, -0.6])


@pytest.fixture
def task() -> PushTTask:
    return PushTTask(PushTConfig())


def wander(task: PushTTask, steps: int, seed: int) -> np.ndarray:
    """States [steps, 14] while the disc is drawn to around the T."""
    random, states = np.random.default_rng(seed), []
    for _ in range(steps):
        state = task.state()
        task.step(np.clip((state[2:4] + random.uniform(-80, 80, 2) - state[:2]) / 100, -1, 1))
        states.append(task.state())
    return np.stack(states)


def test_a_push_is_that_of_stable_worldmodel(task):
    task._begin(START)
    touched = [task.step(PUSH)[4]["contact"] for _ in range(5)]
    np.testing.assert_allclose(task._table.pose, PUSHED, rtol=1e-7)
    assert touched == [True, True, True, False, False]  # from then on the T lies where it was left


@pytest.mark.parametrize("seed", range(3))
def test_an_episode_goes_on_exactly_in_the_midst_of_a_push(task, seed):
    task.reset(seed=seed)
    wander(task, 40, seed)
    snapshot, here = task.snapshot(), task.state()
    first = wander(task, 30, seed)
    task.reset(seed=seed + 9)
    np.testing.assert_array_equal(task.restore(snapshot)["state"], here)
    np.testing.assert_array_equal(wander(task, 30, seed), first)
    assert np.ptp(first[:, 2:4], axis=0).max() > 5  # pixels that the T was pushed


def test_a_goal_that_a_state_shows_is_reached_there_and_no_longer_once_the_t_is_moved_or_turned(task):
    task.reset(seed=1)
    wander(task, 10, 1)
    task.set_goal(task.state())
    given = task.snapshot()
    assert task.step(np.zeros(2))[4]["success"] and float(task.cost(torch.from_numpy(task.state()))) < 0.05
    task.reset(seed=2)
    np.testing.assert_array_equal(task.restore(given)["state"][8:12], task.state()[:4])
    state = task.state()
    for number, by, solved in ((2, 15, True), (2, 25, False)):
        moved = state.copy()
        moved[number] += by
        task.restore(task.snapshot_like(moved.astype(float)))
        assert task._solved() == solved
    turn = math.atan2(state[5], state[4])
    for by, solved in ((15, True), (25, False)):
        turned = state.copy()
        turned[4:6] = math.cos(turn + math.radians(by)), math.sin(turn + math.radians(by))
        task.restore(task.snapshot_like(turned.astype(float)))
        assert task._solved() == solved


def test_futures_are_those_of_steps(task):
    task.reset(seed=3)
    wander(task, 5, 3)
    here, actions = task.snapshot(), np.random.default_rng(0).uniform(-1, 1, (1, 2, 6, 2)).astype(np.float32)
    states, _ = task.simulate_batch(here[None], actions)
    np.testing.assert_array_equal(task.snapshot(), here)
    for t in range(6):
        task.step(actions[0, 1, t])
        np.testing.assert_array_equal(task.state(), states[0, 1, t])


def test_a_picture_shows_disc_and_t_where_they_are_and_the_goal_as_what_has_arrived():
    task = PushTTask(PushTConfig(observation="pixels"))
    seen, _ = task.reset(seed=4)
    goal = task.goal_observation()
    for picture, state in ((seen["pixels"], task.state()), (goal["pixels"], goal["state"])):
        blue = picture[..., 2].astype(int) - picture[..., 0] > 100
        y, x = np.argwhere(blue).mean(0)
        np.testing.assert_allclose((np.array([x, y]) + 0.5) * 8, state[:2], atol=8)
    assert np.array_equal(task.restore(task.snapshot())["pixels"], seen["pixels"])


def test_an_action_that_is_no_number_is_refused(task):
    with pytest.raises(UserError, match="not a number"):
        task.step(np.array([np.nan, 0.0]))
