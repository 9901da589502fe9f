"""The two rooms, against what their published source does at these places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.tasks.two_room import SIDE, TwoRoomConfig, TwoRoomTask, move


@pytest.fixture
def task() -> TwoRoomTask:
    return TwoRoomTask(TwoRoomConfig())


@pytest.mark.parametrize(
    ("position", "action", "published"),
    [
        ((60, 112), (1, -1), (65, 107)),
        ((98, 112), (1, 0), (99.5, 112)),  # the wall stops the dot's edge, half a pixel before
        ((126, 150), (-0.5, 1), (124.5, 155)),
        ((98, 49), (1, 0), (103, 49)),  # in the door
        ((98, 64), (1, 0), (103, 64)),  # which is a little wider for the dot
        ((98, 65), (1, 0), (99.5, 65)),
        ((110, 62), (0, 1), (99.5, 67)),  # who leaves the door sideways is put back
        ((113, 62), (0, 1), (124.5, 67)),
        ((111, 49), (1, 0), (116, 49)),
        ((22, 202), (-1, 1), (21, 203)),
        ((60, 60), (7, 0), (65, 60)),
    ],
)
def test_a_dot_moves_as_in_stable_worldmodel(position, action, published):
    moved = move(np.array(position, float), np.array(action, float))
    np.testing.assert_allclose(moved, published)


def test_futures_are_those_of_steps(task):
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 3, 40, 2)).astype(np.float32)
    snapshots = np.stack([task.reset(seed=seed) and task.snapshot() for seed in (3, 4)])
    states, success = task.simulate_batch(snapshots, actions)
    task.restore(snapshots[1])
    for t in range(40):
        *_, info = task.step(actions[1, 2, t])
        np.testing.assert_allclose(states[1, 2, t], task.state(), rtol=1e-6)
        assert success[1, 2, t] == info["success"]


def test_the_expert_reaches_every_goal_in_some_two_dozen_steps(task):
    took = []
    for seed in range(60):
        task.reset(seed=seed)
        expert = task.expert()
        took.append(next(step for step in range(1, 100) if task.step(expert.act())[4]["success"]))
    assert 20 < np.mean(took) < 28


def test_the_cost_leads_around_the_wall(task):
    beside, door = torch.tensor([90.0, 180.0, 130.0, 180.0]), torch.tensor([90.0, 60.0, 130.0, 60.0])
    assert task.cost(beside) > 5 * task.cost(door)
    assert task.cost(task.goal_state(beside)) == 0


def test_a_picture_shows_the_dot_where_it_is_and_its_goal_as_the_dot_that_has_arrived():
    task = TwoRoomTask(TwoRoomConfig(observation="pixels"))
    seen, _ = task.reset(seed=2)
    picture, goal = seen["pixels"], task.goal_observation()
    for shown, centre in ((picture, task.position), (goal["pixels"], task.goal)):
        red = shown[..., 0].astype(int) - shown[..., 1]
        y, x = np.unravel_index(red.argmax(), red.shape)
        np.testing.assert_allclose((np.array([x, y]) + 0.5) * SIDE / 64, centre + 0.5, atol=SIDE / 64)
    assert np.array_equal(task.restore(task.snapshot())["pixels"], picture)  # looking at the goal moved nothing


def test_a_goal_that_a_state_shows_is_reached_there(task):
    task.reset(seed=1)
    there = task.position.copy()
    task.set_goal(np.array([*there, 0, 0], np.float32))
    np.testing.assert_allclose(task.state()[2:], there, rtol=1e-6)
    assert task.step(np.zeros(2))[4]["success"]


def test_an_action_that_is_no_number_is_refused(task):
    with pytest.raises(UserError, match="not a number"):
        task.step(np.array([np.nan, 0.0]))
