"""MPPI's sigma and temperature do what the documentation says."""

from __future__ import annotations

import pytest
import torch

from wm_lab.errors import UserError
from wm_lab.planners import MPPI, MPPIConfig
from wm_lab.planners.elites import Elites
from wm_lab.planners.mppi import elite_weights
from wm_lab.settings import read_config


def run(score, **settings):
    base = {"horizon": 1, "candidates": 2000, "elites": 2000, "iterations": 1, "keep_elites": 0}
    planner = MPPI(MPPIConfig(**{**base, **settings}), 1)
    return planner.plan(score, [torch.Generator().manual_seed(0)])


def slope(actions):
    return actions[:, :, 0, 0]


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.3])
def test_sigma_is_the_spread_of_the_candidates(sigma):
    seen = []

    def score(actions):
        seen.append(actions)
        return slope(actions)

    run(score, std_init=[sigma], std_min=0.001)
    assert seen[0].std().item() == pytest.approx(sigma, rel=0.05)


def test_the_mean_is_the_closed_form_of_exponential_weights():
    """Under a slope, exp(t * score) shifts a Gaussian by t * sigma^2; t is told in mean distances to the best."""
    for inverse_temperature in (2.0, 5.0):
        plan = run(slope, inverse_temperature=inverse_temperature, candidates=20000, elites=20000, std_init=[0.1])
        distance = (plan.elite_scores[:, :1] - plan.elite_scores).mean().item()
        assert plan.mean.item() == pytest.approx(inverse_temperature / distance * 0.1**2, abs=0.004)


def test_a_higher_inverse_temperature_trusts_the_best_more():
    means = [run(slope, inverse_temperature=t).mean.item() for t in (0.0, 1.0, 4.0, 1e6)]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0, abs=0.05)  # the plain average
    assert means[-1] == pytest.approx(1, abs=1e-3)  # the best alone


def test_relative_weights_do_not_depend_on_the_scale_or_offset_of_scores():
    knots, scores = torch.zeros(1, 5, 1, 1), torch.tensor([[3.0, 2.0, 1.5, 0.0, -torch.inf]])
    small, large = (
        elite_weights(Elites(knots, scores), 2.0),
        elite_weights(Elites(knots, 1e4 * scores + 7e4), 2.0),
    )
    assert torch.allclose(small, large, atol=1e-4)
    assert small[0, 0] == 1
    assert small[0, -1] == 0


def test_huge_scores_do_not_overflow_the_exponential():
    plan = run(lambda actions: 1e30 * slope(actions), inverse_temperature=1e6)
    assert plan.actions.isfinite().all()
    assert plan.mean.item() == pytest.approx(1, abs=1e-3)


def test_equal_scores_give_equal_weights():
    weights = elite_weights(Elites(torch.zeros(1, 4, 1, 1), torch.full((1, 4), -2.0)), 3.0)
    assert weights.tolist() == [[1.0] * 4]


def test_a_negative_inverse_temperature_is_refused():
    with pytest.raises(UserError, match="inverse_temperature=-1"):
        read_config(MPPIConfig, {"inverse_temperature": -1}, "planner")
