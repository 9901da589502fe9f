"""Action heads against distributions whose every property is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wm_lab.models.parts.flow import LEAST_TIME, ActionHead, FlowHead, RegressionHead, flow_time

CONDITION, CHUNK = 2, 3


def train(head: ActionHead, condition: Tensor, actions: Tensor, steps: int = 500) -> ActionHead:
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(head.parameters(), 3e-3, foreach=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        rows = torch.randint(len(condition), (256,))
        optimiser.zero_grad()
        head.loss(condition[rows], actions[rows]).mean().backward()
        optimiser.step()
        schedule.step()
    return head


def two_ways() -> tuple[Tensor, Tensor]:
    """Whole chunks of +1 (three in four where the condition is positive, else one in four), or of -1."""
    generator = torch.Generator().manual_seed(1)
    condition = torch.randint(2, (2048, 1), generator=generator) * 2.0 - 1
    likely = 0.5 + 0.25 * condition
    sign = (torch.rand(2048, 1, generator=generator) < likely) * 2.0 - 1
    return condition.expand(-1, CONDITION), sign[..., None].expand(-1, CHUNK, 1)


def test_flow_keeps_two_ways_to_act_apart_with_their_shares_where_regression_averages_them():
    torch.manual_seed(0)
    condition, actions = two_ways()
    flow = train(FlowHead(CONDITION, CHUNK, 1, units=64, layers=2, steps=10), condition, actions)
    mean = train(RegressionHead(CONDITION, CHUNK, 1, units=64, layers=2), condition, actions, steps=200)
    for side in (-1.0, 1.0):
        asked = torch.full((1000, CONDITION), side)
        noise = torch.randn(1000, CHUNK, 1)
        with torch.no_grad():
            drawn, averaged = flow(asked, noise)[..., 0], mean(asked, noise)[..., 0]
        assert (drawn.abs() - 1).abs().median() < 0.1
        assert ((drawn > 0).float().mean(1) % 1 == 0).float().mean() > 0.95, "a chunk goes one way, all of it"
        assert (drawn > 0).float().mean().item() == pytest.approx(0.5 + 0.25 * side, abs=0.08)
        torch.testing.assert_close(averaged, torch.full_like(averaged, 0.5 * side), atol=0.1, rtol=0)


def test_the_exact_velocity_of_a_gaussian_carries_noise_to_its_mean_and_spread():
    """Of actions ~ N(m, s²): v = E[ε − a | x_t] = (x − (1−t) m) (t − (1−t) s²) / (t² + (1−t)² s²) − m."""
    m, s = 0.4, 0.3

    class Exact(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            x, t = inputs[..., :1], inputs[..., -1:]
            return (x - (1 - t) * m) * (t - (1 - t) * s**2) / (t**2 + (1 - t) ** 2 * s**2) - m

    head = FlowHead(1, 1, 1, units=1, layers=1, steps=200)
    head.velocity = Exact()
    head._flow = lambda x, t, condition: head.velocity(torch.cat([x[..., 0], t[..., None]], -1))[..., None]
    drawn = head(torch.zeros(4000, 1), torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(0)))
    assert drawn.mean().item() == pytest.approx(m, abs=0.02)
    assert drawn.std().item() == pytest.approx(s, abs=0.02)


def test_an_untrained_flow_returns_its_noise_and_its_loss_is_the_variance_of_noise_less_action():
    torch.manual_seed(0)
    head = FlowHead(CONDITION, CHUNK, 2, units=8, layers=1, steps=4)
    noise = torch.randn(5, CHUNK, 2)
    torch.testing.assert_close(head(torch.zeros(5, CONDITION), noise), noise)
    loss = head.loss(torch.zeros(20000, CONDITION), torch.full((20000, CHUNK, 2), 0.5))
    assert loss.shape == (20000,)
    assert loss.mean().item() == pytest.approx(1 + 0.5**2, abs=0.02)


def test_times_follow_the_beta_distribution_of_pi0():
    torch.manual_seed(0)
    t = flow_time(200_000, device=torch.device("cpu"))
    assert t.min() > LEAST_TIME and t.max() <= 1
    assert t.mean().item() == pytest.approx(1.5 / 2.5, abs=0.005)
    assert t.var().item() == pytest.approx(1.5 / (2.5**2 * 3.5), abs=0.002)
