"""Values of small systems, against those worked out exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from wm_lab.objectives import Objective, predicted_reward
from wm_lab.values.returns import ReturnValue, ReturnValueConfig
from wm_lab.world_model import DataSpec, Imagination, State, Windows, WorldModel

GAMMA = 0.8


class Seeing(WorldModel):
    """Its features are the observed state."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.spec = DataSpec({"state": (size,)}, 1)

    def loss(self, windows: Windows) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def observe(self, windows: Windows, state: State | None = None) -> tuple[State, Imagination]:
        seen = windows.observation["state"][:, None]
        return State(), Imagination(seen, seen[..., 0], seen[..., 0])

    def imagine(self, state: State, actions: Tensor) -> Imagination:
        raise NotImplementedError

    def decode(self, imagination: Imagination) -> dict[str, Tensor]:
        raise NotImplementedError


def windows(states: Tensor, rewards: Tensor, terminal: Tensor | None = None) -> Windows:
    """Whole windows [B, T] of states [B, T, D] and of rewards of arriving at them."""
    flags = torch.zeros(rewards.shape, dtype=torch.bool)
    first = flags.clone()
    first[:, 0] = True
    ends = flags if terminal is None else terminal
    return Windows({"state": states}, torch.zeros(*rewards.shape, 1), rewards, first, ends, ~flags)


def learned(draw, size: int, steps: int = 600, **options) -> ReturnValue:
    """A value of windows that `draw` draws, by the recipe of the training loop."""
    torch.manual_seed(0)
    config = ReturnValueConfig(**{"gamma": GAMMA, "expectile": 0.5, "refresh": 60, "features": size, **options})
    value = ReturnValue(config, DataSpec({"state": (size,)}, 1))
    value._world = (Seeing(size),)
    optimiser = torch.optim.AdamW(value.heads.parameters(), 2e-3)
    for _ in range(steps):
        loss, _ = value.loss(draw())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return value.eval()


def test_the_values_of_a_chain_that_moves_by_chance_are_those_of_its_linear_equations():
    size, forward = 5, 0.6
    move = np.zeros((size, size))
    for s in range(size - 1):
        move[s, s + 1], move[s, s] = forward, 1 - forward
    paid = np.array([0.0, -1.0, 0.5, 0.0, 2.0])  # of arriving there; the last state ends the episode
    goes_on = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    exact = np.linalg.solve(np.eye(size) - GAMMA * move * goes_on, move @ paid)
    random = torch.Generator().manual_seed(0)

    def draw() -> Windows:
        states = torch.randint(size - 1, (64, 1), generator=random)
        for _ in range(7):
            step = (torch.rand(64, 1, generator=random) < forward).long()
            states = torch.cat([states, (states[:, -1:] + step).clamp(max=size - 1)], 1)
        rewards = torch.tensor(paid, dtype=torch.float32)[states]
        return windows(torch.eye(size)[states], rewards, states == size - 1)

    value = learned(draw, size)
    found = value(torch.eye(size)) / (1 - GAMMA)
    assert found[:-1].tolist() == pytest.approx(exact[:-1].tolist(), abs=0.12)


def test_the_value_of_a_linear_system_with_quadratic_costs_is_the_quadratic_of_lyapunovs_equation():
    a = torch.tensor([[0.9, 0.2], [-0.1, 0.8]])
    exact = torch.zeros(2, 2)
    for _ in range(200):  # P = A'(I + gamma P)A of the reward -|x'|^2 of arriving at x'
        exact = a.T @ (torch.eye(2) + GAMMA * exact) @ a
    random = torch.Generator().manual_seed(0)

    def draw() -> Windows:
        states = [2 * torch.rand(64, 2, generator=random) - 1]
        for _ in range(7):
            states.append(states[-1] @ a.T)
        x = torch.stack(states, 1)
        return windows(x, -x.square().sum(-1))

    value = learned(draw, 2)
    x = 2 * torch.rand(200, 2, generator=random) - 1
    found, wanted = value(x) / (1 - GAMMA), -torch.einsum("bi,ij,bj->b", x, exact, x)
    assert torch.corrcoef(torch.stack([found, wanted]))[0, 1] > 0.99
    assert (found - wanted).abs().mean() < 0.1 * wanted.abs().mean()


def test_rewards_dealt_out_at_random_teach_no_value():
    random = torch.Generator().manual_seed(0)

    def draw() -> Windows:
        x = 2 * torch.rand(64, 8, 2, generator=random) - 1
        return windows(x, torch.randn(64, 8, generator=random))

    x = 2 * torch.rand(200, 2, generator=random) - 1
    assert learned(draw, 2, steps=300)(x).std() < 0.1


def test_a_high_expectile_leans_to_the_better_of_what_was_done():
    random = torch.Generator().manual_seed(0)

    def draw() -> Windows:
        better = torch.rand(64, 4, generator=random) < 0.5
        return windows(torch.ones(64, 4, 1), better.float())

    low, high = (learned(draw, 1, steps=300, expectile=tau).forward(torch.ones(1)) for tau in (0.5, 0.9))
    assert low.item() == pytest.approx(0.5, abs=0.1)
    assert high.item() > low.item() + 0.05


def test_what_padding_holds_changes_no_target():
    value = ReturnValue(ReturnValueConfig(features=1), DataSpec({"state": (1,)}, 1))
    value._world = (Seeing(1),)
    short = windows(torch.ones(1, 6, 1), torch.ones(1, 6))
    short.valid[:, 4:] = False
    other = windows(torch.ones(1, 6, 1), torch.ones(1, 6))
    other.valid[:, 4:] = False
    other.reward[:, 4:] = 99.0
    assert value.loss(short)[0].item() == value.loss(other)[0].item()


def test_the_value_counts_at_the_end_of_a_plan_with_its_weight():
    value = ReturnValue(ReturnValueConfig(features=1, weight=3.0), DataSpec({"state": (1,)}, 1))
    for head in value.heads:
        head[-1].bias.data.fill_(2.0)
    plain = Objective([(1.0, predicted_reward)], 0.0)
    ones = torch.ones(1, 1, 4)
    future = Imagination(torch.zeros(1, 1, 4, 1), ones, ones)
    with_value = value.added_to(plain, Seeing(1), None)  # type: ignore[arg-type]
    assert (with_value(future, ones) - plain(future, ones)).item() == pytest.approx(6.0)
