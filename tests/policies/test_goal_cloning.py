"""A clone that is told where to go: what it learns from wandering about, and what it does not look at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.policies.bc_policy import BCPolicy
from wm_lab.policies.goal_cloning import GoalCloning, GoalCloningConfig
from wm_lab.policy import Moment
from wm_lab.world_model import DataSpec, Windows

STEPS = 20
SPEC = DataSpec({"state": (2,)}, 1, changes={"state": [True, False]})
"""A place on a line, and a number that stays as it is throughout an episode."""


def wandering(episodes: int = 64) -> Windows:
    """An action moves by a tenth; each episode goes one way all the time, and its second number says which."""
    way = torch.randint(0, 2, (episodes, 1, 1)) * 2.0 - 1
    action = (way + 0.3 * torch.randn(episodes, STEPS, 1)).clamp(-1, 1)
    action[:, 0] = 0
    place = torch.rand(episodes, 1, 1) * 2 - 1 + 0.1 * action.cumsum(1)
    flags = torch.zeros(episodes, STEPS, dtype=torch.bool)
    first = flags.clone()
    first[:, 0] = True
    state = torch.cat([place, way.expand_as(place)], -1)
    return Windows({"state": state}, action, flags.float(), first, flags, ~flags)


@pytest.fixture(scope="module")
def net() -> GoalCloning:
    torch.manual_seed(0)
    net = GoalCloning(
        GoalCloningConfig(history=1, chunk=1, execute=1, hidden=64, layers=2, dropout=0.0, pairs=16), SPEC
    )
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(150):
        loss, _ = net.loss(wandering())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net.eval()


def act(net: GoalCloning, state: list[float], goal: list[float]) -> float:
    history = {"state": torch.tensor([[state]]), "goal.state": torch.tensor([[goal]])}
    return float(net(history).detach())


def test_it_goes_to_the_goal_that_it_is_told(net):
    for here, there in ((0.0, 0.8), (-0.5, 0.4), (0.3, -0.6), (0.9, 0.0)):
        assert act(net, [here, 0.0], [there, 0.0]) * np.sign(there - here) > 0.7


def test_what_never_changes_within_an_episode_is_not_looked_at(net):
    told = [act(net, [0.0, way], [0.5, other]) for way in (-1.0, 1.0) for other in (-1.0, 1.0)]
    assert len(set(told)) == 1


def test_actions_after_the_goal_and_beyond_the_episode_do_not_count(net):
    short = wandering()
    short.valid[:, 4:] = False
    spoilt = short.map(torch.clone)
    spoilt.action[:, 4:] = 1e6
    losses = []
    for windows in (short, spoilt):
        torch.manual_seed(3)
        losses.append(net.loss(windows)[0].item())
    assert losses[0] == losses[1]


def test_played_it_asks_for_the_goal_of_each_of_its_rows(net):
    policy = BCPolicy(net)
    assert policy.observation_keys == ("state", "goal.state")
    policy.start(2)
    seen = {"state": np.zeros((2, 2), np.float32), "goal.state": np.array([[0.8, 0], [-0.8, 0]], np.float32)}
    actions = policy.act(Moment(np.arange(2), seen, np.zeros((2, 1), np.float32), np.ones(2, bool)))
    assert actions[0, 0] > 0.7 and actions[1, 0] < -0.7
