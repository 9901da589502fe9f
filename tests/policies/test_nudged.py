"""A nudge is the same for every policy, and touches what it names alone."""

from __future__ import annotations

import numpy as np

from tests.data.toy import ConstantPolicy, PointTask
from wm_lab.data.rollout import PlayConfig, play
from wm_lab.policies.nudged import Nudge, Nudged

SEEDS = list(range(40))


def nudges(value: float, *dimensions: int, group: int = 16) -> np.ndarray:
    """What was added to a constant action, [episodes, steps, A]."""
    played = play(
        PointTask,
        lambda: Nudged(ConstantPolicy(value), Nudge(dimensions, within=6)),
        SEEDS,
        PlayConfig(steps=10, group=group),
    )
    return np.stack([episode.action[1:] for episode in played]) - value


def test_two_steps_of_the_named_dimensions_are_disturbed_within_the_given_steps():
    added = nudges(0.0, 1)
    assert (added[..., 0] == 0).all()
    disturbed = added[..., 1] != 0
    assert (disturbed.sum(1) == 2).all()
    began = disturbed.argmax(1)
    assert set(began) == set(range(6)), "all moments within the first six steps come up"
    assert disturbed[np.arange(len(SEEDS)), began + 1].all(), "the two steps follow one another"
    assert 0.15 < added[..., 1][disturbed].std() < 0.25


def test_every_policy_meets_the_same_nudge_whatever_plays_beside_it():
    np.testing.assert_array_equal(nudges(0.0, 0, 1), nudges(0.0, 0, 1, group=3))
    np.testing.assert_allclose(nudges(0.25, 0, 1), nudges(0.0, 0, 1), atol=1e-6)
    both = nudges(0.0, 0, 1)
    np.testing.assert_array_equal(nudges(0.0, 1)[..., 1], both[..., 1])
