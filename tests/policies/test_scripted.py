"""The policies that learn nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.policies.linear_world import LinearTask, play
from wm_lab.errors import UserError
from wm_lab.policies import DoNothing, ExpertPolicy, RandomPolicy, RandomPolicyConfig
from wm_lab.policy import Moment


class WithExpert(LinearTask):
    def __init__(self, action: float) -> None:
        self.action, self.made = action, 0

    def expert(self):
        self.made += 1
        return self

    def act(self) -> np.ndarray:
        return np.array([self.action])


def moment(rows: list[int], first: list[bool]) -> Moment:
    blank = np.zeros((len(rows), 1), np.float32)
    return Moment(np.array(rows), {"state": np.zeros((len(rows), 2), np.float32)}, blank, np.array(first))


def test_every_row_has_its_own_expert_made_anew_with_each_episode_and_clipped():
    tasks = [WithExpert(0.25), WithExpert(-3.0)]
    policy = ExpertPolicy()
    policy.start(2)
    for row, task in enumerate(tasks):
        policy.reset(row, task, 0)
    assert policy.act(moment([0, 1], [True, True])).flatten().tolist() == [0.25, -1.0]
    assert policy.act(moment([1], [False])).flatten().tolist() == [-1.0]
    policy.act(moment([0, 1], [True, False]))
    assert [task.made for task in tasks] == [2, 1]


def test_random_actions_have_the_documented_spread_and_correlation():
    actions, _ = play(RandomPolicy(RandomPolicyConfig(correlation=0.7, scale=0.2)), list(range(40)), 60)
    x = actions[:, :, 0]
    assert x.std() == pytest.approx(0.2, rel=0.05)
    assert np.corrcoef(x[:, :-1].ravel(), x[:, 1:].ravel())[0, 1] == pytest.approx(0.7, abs=0.05)
    assert np.abs(x).max() <= 1


def test_a_random_episode_depends_on_its_seed_alone():
    policy = RandomPolicy(RandomPolicyConfig())
    together, _ = play(policy, [3, 4, 5], 6)
    late, _ = play(policy, [5, 3], 6, delays=[0, 3])
    np.testing.assert_array_equal(together[2], late[0])
    np.testing.assert_array_equal(together[0], late[1])
    assert not np.array_equal(together[0], together[1])


def test_doing_nothing_is_zero():
    assert DoNothing().act(moment([0, 2], [True, False])).tolist() == [[0.0], [0.0]]


def test_impossible_settings_are_refused():
    with pytest.raises(UserError, match=r"policy.correlation=1"):
        RandomPolicyConfig(correlation=1.0)
    with pytest.raises(UserError, match=r"policy.scale=0"):
        RandomPolicyConfig(scale=0.0)
