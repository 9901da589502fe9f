"""Moving a scene and letting time pass may be done in either order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.tasks.hand import HandConfig, HandTask
from wm_lab.tasks.hand.goals import GOALS, HAND_START, REACH, TURNED
from wm_lab.tasks.hand.relocation import MIRRORS, SETPOINT, HandRelocation
from wm_lab.tasks.hand.state import TCP

STEPS = 30


@pytest.fixture(scope="module", params=tuple(GOALS))
def task(request: pytest.FixtureRequest) -> HandTask:
    return HandTask(HandConfig(goal=request.param))


@pytest.fixture(scope="module")
def push() -> HandTask:
    return HandTask(HandConfig(goal="push"))


def motion(task: HandTask, mirror: tuple[float, float], shift: tuple[float, float] = (0.013, -0.021)) -> HandRelocation:
    return HandRelocation(task.layout, task._physics, mirror, shift)


def episode(task: HandTask, seed: int, skip: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The expert's: a snapshot [S] after `skip` steps, STEPS actions and the states they led to, steps in contact."""
    task.reset(seed=seed)
    expert = task.expert()
    for _ in range(skip):
        task.step(expert.act())
    snapshot, actions, states, contact = task.snapshot(), [], [], 0
    for _ in range(STEPS):
        actions.append(expert.act())
        contact += task.step(actions[-1])[4]["contact"]
        states.append(task.state())
    return snapshot, np.stack(actions), np.stack(states), contact


def departure(task: HandTask, mirror: tuple[float, float], seed: int, skip: int) -> tuple[np.ndarray, int]:
    """Largest difference [D] between moving what happened and what happens to a moved scene; steps in contact."""
    snapshot, actions, states, contact = episode(task, seed, skip)
    moved = motion(task, mirror)
    played, _ = task.simulate_batch(moved.snapshot(snapshot)[None], moved.action(actions)[None, None])
    return np.abs(played[0, 0] - moved.state(states)).max(0), contact


@pytest.mark.parametrize("mirror", [(1.0, 1.0), (-1.0, 1.0)])
def test_moving_a_scene_commutes_with_pushing_in_it(push, mirror):
    for seed in (1, 2, 3):
        error, contact = departure(push, mirror, seed, skip=10)
        assert contact > 5 and error.max() < 1e-6


def test_what_exchanges_the_sides_is_true_to_a_millimetre_for_the_left_finger_leads():
    place = HandTask(HandConfig(goal="place"))
    for mirror in ((1.0, -1.0), (-1.0, -1.0)):
        error, contact = departure(place, mirror, seed=1, skip=10)
        assert contact > 5 and error[TCP : TCP + 6].max() < 1e-3


@pytest.mark.parametrize("mirror", MIRRORS)
def test_a_moved_snapshot_shows_the_moved_state(task, mirror):
    snapshot, _, states, _ = episode(task, seed=2, skip=5)
    here, moved = task.snapshot(), motion(task, mirror)
    for before in (snapshot, here):
        expected = moved.state(task.states(before[None])[0])
        np.testing.assert_allclose(task.states(moved.snapshot(before)[None])[0], expected, atol=1e-6)
    np.testing.assert_array_equal(task.snapshot(), here)
    cost = [task.cost(x).numpy() for x in map(torch.from_numpy, (states, moved.state(states)))]
    np.testing.assert_allclose(*cost, atol=1e-5)


@pytest.mark.parametrize("mirror", MIRRORS)
def test_mirroring_twice_changes_nothing(task, mirror):
    snapshot, actions, states, _ = episode(task, seed=3)
    twice = motion(task, mirror, shift=(0.0, 0.0))
    np.testing.assert_array_equal(twice.state(twice.state(states)), states)
    np.testing.assert_array_equal(twice.action(twice.action(actions)), actions)
    np.testing.assert_array_equal(twice.snapshot(twice.snapshot(snapshot)), snapshot)


def test_moved_episodes_begin_where_the_task_begins_its_own(task):
    random, mirrors, spread = np.random.default_rng(0), set(), []
    layout = task.layout
    for seed in range(5):
        states = episode(task, seed)[2]
        task.reset(seed=seed)
        states = np.concatenate([task.state()[None], states])
        for _ in range(40):
            moved = task.relocate(states, random)
            mirrors.add(moved.mirror)
            there = moved.state(states)
            start = there[0]
            assert within(start[:2], np.array(HAND_START)[:, :2].T)
            for at in (layout.goal, *map(layout.position, range(layout.blocks))):
                assert within(start[at : at + 2], REACH)
            for at in map(layout.rotation, range(layout.blocks)):
                assert abs(2 * np.arctan2(start[at + 3], start[at])) < TURNED + 1e-6
            assert np.abs(there[:, SETPOINT : SETPOINT + 2]).max() <= 0.3 + 1e-6
            spread.append(start[layout.goal])
    assert mirrors == set(MIRRORS) and np.std(spread) > 0.03


def within(place: np.ndarray, bounds) -> bool:
    return all(low - 1e-6 <= x <= high + 1e-6 for x, (low, high) in zip(place, bounds, strict=True))
