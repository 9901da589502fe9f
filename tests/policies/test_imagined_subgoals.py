"""Sub-goals that are imagined: drawn from what demonstrations do next, and searched for in a model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.policies.linear_world import LinearModel
from wm_lab.planners import CEM
from wm_lab.planners.cem import CEMConfig
from wm_lab.policies.imagined_subgoals import GeneratedSubgoals, ImaginedConfig, SearchedSubgoals, worth
from wm_lab.policies.subgoal_head import SubgoalHead, SubgoalHeadConfig
from wm_lab.policy import Moment
from wm_lab.world_model import DataSpec, Windows

STEPS, K, SPEED = 21, 5, 0.1
SPEC = DataSpec({"state": (2,)}, 1, {"state": [1.0, 0.0]}, {"state": [0.6, 0.6]}, changes={"state": [True, True]})


def demonstrations(episodes: int = 64) -> torch.Tensor:
    """[E, T, 2]: all go one way along the first number at the same speed, and up or down along the second."""
    way = torch.randint(0, 2, (episodes, 1)) * 2.0 - 1
    steps = torch.arange(STEPS)[None]
    return torch.stack([(SPEED * steps).expand(episodes, -1), 0.5 * SPEED * steps * way], -1)


def windows(states: torch.Tensor) -> Windows:
    flags = torch.zeros(states.shape[:2], dtype=torch.bool)
    return Windows({"state": states}, torch.zeros(*states.shape[:2], 1), flags.float(), flags, flags, ~flags)


@pytest.fixture(scope="module")
def head() -> SubgoalHead:
    torch.manual_seed(0)
    head = SubgoalHead(SubgoalHeadConfig(steps=K, hidden=64, layers=2, dropout=0.0, members=3, pairs=16), SPEC)
    head.prepare(list(demonstrations()))
    optimiser = torch.optim.Adam(head.parameters(), 3e-3)
    for _ in range(250):
        loss, _ = head.loss(windows(demonstrations(16)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return head.eval()


@torch.no_grad()
def test_draws_are_what_demonstrations_do_next_and_both_where_there_are_two_ways(head):
    drawn = head.draw(torch.zeros(1, 2), torch.randn(1, 64, 2))[0]
    assert (drawn[:, 0] - K * SPEED).abs().mean() < 0.1
    up = (drawn[:, 1] > 0).float().mean()
    assert 0.25 < up < 0.75
    assert (drawn[:, 1].abs() - 0.5 * K * SPEED).abs().mean() < 0.1  # and not between them


@torch.no_grad()
def test_the_steps_that_are_left_are_told(head):
    for step in (0, 10, 20):
        left, doubt = head.left(demonstrations(4)[:, step])
        assert (left - (STEPS - 1 - step)).abs().max() < 3
        assert (doubt >= 0).all()


@torch.no_grad()
def test_what_was_never_demonstrated_is_worth_less(head):
    known, strange = demonstrations(1)[0, 10], torch.tensor([1.0, 9.0])
    assert head.strange(known) < 1e-4 < 1 < head.strange(strange)
    both = torch.stack([known, strange])[None]
    values = worth(head, ImaginedConfig(), both)[0]
    assert values[0] > values[1]


def moment(states: torch.Tensor) -> Moment:
    rows = np.arange(len(states))
    blank = np.zeros((len(states), 1), np.float32)
    return Moment(rows, {"state": states.numpy()}, blank, np.ones(len(states), bool))


def test_a_generated_sub_goal_is_of_its_own_episode_whatever_plays_beside_it(head):
    seen = demonstrations(3)[:, 4]

    def proposed(rows: list[int]) -> np.ndarray:
        source = GeneratedSubgoals(head, ImaginedConfig(candidates=8))
        source.start(3)
        for row in range(3):
            source.reset(row, SimpleNamespace(), seed=row)
        return source.propose(moment(seen)._replace(rows=np.array(rows), observation={"state": seen[rows].numpy()}))

    np.testing.assert_allclose(proposed([0, 1, 2])[1], proposed([1])[0], atol=1e-5)


def test_a_searched_sub_goal_is_what_the_best_plan_shows_after_k_steps(head):
    """Of a point mass whose place is rewarded by how little is left: it goes as far ahead as it can."""
    planner = CEM(CEMConfig(horizon=2 * K, candidates=64, iterations=4, elites=8), 1)
    source = SearchedSubgoals(LinearModel(), planner, head, ImaginedConfig(strange=0.0, doubt=0.0), K)
    source.start(2)
    for row in range(2):
        source.reset(row, SimpleNamespace(), seed=row)
    now = moment(torch.tensor([[0.2, 0.0], [1.0, 0.0]]))
    source.observe(now)
    there = source.propose(now)
    full = [sum(0.02 + 0.04 * i for i in range(K))]  # the place after K full pushes from rest, x + 0.42
    assert there.shape == (2, 2)
    assert (there[:, 0] > now.observation["state"][:, 0] + 0.5 * full[0]).all()
    only_second = now._replace(rows=now.rows[1:], observation={"state": now.observation["state"][1:]})
    assert source.propose(only_second._replace(first=now.first[1:])).shape == (1, 2)
