"""A world model that acts itself plays as its own policy says, each episode on its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tests.policies.linear_world import (
    LinearModel,
    LinearTask,
    PointState,
    assert_episodes_do_not_meet,
    optimal_cost,
    play,
)
from wm_lab.policies.reactive import ReactivePolicy
from wm_lab.world_model import ActsItself, State

CHUNK = 3


class Controller(LinearModel, ActsItself):
    """A damped spring; only the first action of its chunks is any good, and a little noise tells episodes apart."""

    def act(self, state: State, generators: Sequence[torch.Generator]) -> Tensor:
        assert isinstance(state, PointState)
        noise = torch.stack([torch.randn(1, generator=generator) for generator in generators])
        action = state.x @ torch.tensor([[-2.0], [-2.0]]) + 0.01 * noise
        return torch.stack([action, *[torch.ones_like(action)] * (CHUNK - 1)], 1).clamp(-1, 1)


def test_it_executes_the_first_action_of_every_new_chunk():
    seeds, steps = [0, 1, 2, 3], 25
    _, costs = play(ReactivePolicy(Controller()), seeds, steps)
    best = sum(optimal_cost(LinearTask().reset(seed), steps) for seed in seeds)
    assert best < costs.sum() < 1.3 * best  # any other action of a chunk would drive it away


def test_an_episode_is_played_the_same_alone_beside_others_and_begun_late():
    assert_episodes_do_not_meet(ReactivePolicy(Controller()), 1e-6)
