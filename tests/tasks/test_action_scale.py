"""What an environment is handed as its action."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from wm_lab.tasks.action_scale import ActionScale

BOXES = {
    "plain": spaces.Box(-1.0, 1.0, (3,), np.float32),
    "lopsided": spaces.Box(np.array([0.1, -0.3, 7.0]), np.array([0.7, 2.1, 7.1]), dtype=np.float32),
    "double": spaces.Box(np.array([0.1, -0.3, 7.0]), np.array([0.7, 2.1, 7.1]), dtype=np.float64),
    "half": spaces.Box(np.array([0.1, -0.3, 7.0], np.float16), np.array([0.7, 2.1, 7.1], np.float16), dtype=np.float16),
    "whole": spaces.Box(np.array([-2, 0, 5]), np.array([2, 9, 6]), dtype=np.int64),
    "bytes": spaces.Box(0, 255, (3,), np.uint8),
    "largest": spaces.Box(0, 2**63 - 1, (3,), np.int64),
    "widest": spaces.Box(-1.7e308, 1.7e308, (3,), np.float64),
    "fixed": spaces.Box(np.array([-1.0, 0.3, 0.0]), np.array([1.0, 0.3, 0.0]), dtype=np.float32),
    "table": spaces.Box(-2.0, 4.0, (3, 1), np.float32),
}


@pytest.mark.parametrize("name", BOXES)
def test_every_command_is_in_the_box_and_the_ends_of_the_range_are_its_bounds(name: str) -> None:
    box = BOXES[name]
    scale = ActionScale(box)
    for action in np.random.default_rng(0).uniform(-1.5, 1.5, (200, 3)).astype(np.float32):
        command = scale(action)
        assert box.contains(command) and command.dtype == box.dtype
        assert box.contains(scale(scale.back(command)))
    np.testing.assert_array_equal(scale(np.full(3, -1.0)), box.low)
    np.testing.assert_array_equal(scale(np.full(3, 1.0)), box.high)


def test_whole_numbers_are_the_nearest_ones() -> None:
    scale = ActionScale(spaces.Box(-2, 2, (1,), np.int32))
    assert [int(scale(np.array([a]))[0]) for a in (-1, -0.6, -0.2, 0.2, 0.3, 1)] == [-2, -1, 0, 0, 1, 2]


def test_an_action_is_its_own_command_where_the_box_is_the_unit_one() -> None:
    actions = (np.random.default_rng(0).uniform(-1, 1, 3) ** 9).astype(np.float32)
    np.testing.assert_array_equal(ActionScale(BOXES["plain"])(actions), actions)


def test_a_command_is_a_new_array_each_time() -> None:
    scale, action = ActionScale(BOXES["plain"]), np.full(3, 0.5, np.float32)
    command = scale(action)
    command *= 10.0
    np.testing.assert_array_equal(action, np.full(3, 0.5))
    np.testing.assert_array_equal(scale(action), np.full(3, 0.5))
