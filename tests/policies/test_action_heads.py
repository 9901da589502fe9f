"""A clone with each head, where there are two ways to act, and what the store calls it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.models.parts.action_tokens import TokensConfig
from wm_lab.policies import BCPolicy, BehaviourCloning, BehaviourCloningConfig
from wm_lab.policy import Moment
from wm_lab.settings import complete, read_config, without_later
from wm_lab.world_model import DataSpec, Windows

SPEC = DataSpec({"state": (1,)}, action_size=1)


def two_ways(episodes: int) -> Windows:
    """Episodes in which every action is +1, or every one is -1, and nothing seen tells which."""
    sign = (torch.arange(episodes) % 2)[:, None, None] * 2.0 - 1
    none = torch.zeros(episodes, 4, dtype=torch.bool)
    first = none.clone()
    first[:, 0] = True
    zeros = torch.zeros(episodes, 4)
    action = sign.expand(-1, 4, 1).clone() * ~first[..., None]
    return Windows({"state": zeros[..., None]}, action, zeros, first, none, ~none)


def trained(**options) -> BehaviourCloning:
    torch.manual_seed(0)
    config = BehaviourCloningConfig(history=1, chunk=2, hidden=32, layers=1, dropout=0.0, **options)
    net, data = BehaviourCloning(config, SPEC), two_ways(64)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        optimiser.zero_grad()
        net.loss(data)[0].backward()
        optimiser.step()
    return net.eval()


def acted(net: BehaviourCloning, rows: int = 40) -> np.ndarray:
    policy = BCPolicy(net)
    policy.start(rows)
    for row in range(rows):
        policy.reset(row, None, seed=row)
    zeros = np.zeros((rows, 1), np.float32)
    return policy.act(Moment(np.arange(rows), {"state": zeros}, zeros, np.ones(rows, bool)))[:, 0]


def test_regression_averages_two_ways_and_tokens_and_flow_take_one():
    assert np.abs(acted(trained())).max() < 0.3
    flow = acted(trained(action_head="flow"))
    tokens = acted(trained(action_head="tokens", tokens=TokensConfig(bins=21, decode="sample")))
    for found in (flow, tokens):
        assert np.median(np.abs(np.abs(found) - 1)) < 0.1
        assert 0.2 < (found > 0).mean() < 0.8, "which way is each episode's own chance"
    assert np.abs(np.abs(acted(trained(action_head="tokens", tokens=TokensConfig(bins=21)))) - 1).max() < 1e-6


def test_the_same_episode_draws_the_same_actions_whatever_plays_beside_it():
    net = trained(action_head="flow")
    # Products of 40 rows and of 7 may round otherwise; another draw would differ in the first digit.
    np.testing.assert_allclose(acted(net, 40)[:7], acted(net, 7), rtol=0, atol=1e-6)


@pytest.mark.parametrize("head", ["regression", "tokens", "flow"])
def test_one_action_is_learned_by_every_head(head):
    torch.manual_seed(0)
    net = BehaviourCloning(
        BehaviourCloningConfig(history=1, chunk=1, execute=1, hidden=32, dropout=0.0, action_head=head), SPEC
    )
    data = two_ways(16)
    data.action = torch.full_like(data.action, 0.4) * ~data.first[..., None]
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(200):
        optimiser.zero_grad()
        loss, told = net.loss(data)
        loss.backward()
        optimiser.step()
    assert told["action_error"] < 0.1 and np.median(np.abs(acted(net.eval()) - 0.4)) < 0.1


def test_a_clone_by_regression_is_called_as_before_there_were_other_heads():
    section = complete({"_target_": "wm_lab.policies.behaviour_cloning.BehaviourCloning"}, "bc")
    assert section["action_head"] == "regression"
    assert without_later(BehaviourCloningConfig, section).keys() == section.keys() - {*BehaviourCloningConfig.LATER}
    told = without_later(BehaviourCloningConfig, {**section, "action_head": "flow"})
    assert told["action_head"] == "flow" and "tokens" not in told


def test_an_unknown_head_is_refused():
    with pytest.raises(UserError, match="did you mean tokens"):
        read_config(BehaviourCloningConfig, {"action_head": "token"}, "bc")
