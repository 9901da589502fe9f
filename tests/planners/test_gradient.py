"""What is particular to planning by gradients."""

from __future__ import annotations

import pytest
import torch

from tests.models.worlds import KINDS, make_informed, noise_windows
from wm_lab.errors import UserError
from wm_lab.objectives import Objective, model_score, predicted_reward
from wm_lab.planners import Gradient, GradientConfig


def generators(rows: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]


def test_it_climbs_to_the_top_of_a_quadratic_and_stops_at_the_bounds():
    target = torch.tensor([[0.3, -0.7], [3.0, -3.0], [0.0, 0.9]])
    planner = Gradient(GradientConfig(horizon=3, candidates=8, elites=4, iterations=150, rate=0.05), 2)
    plan = planner.plan(lambda actions: -(actions - target).square().sum((-1, -2)), generators(2))
    assert (plan.actions - target.clamp(-1, 1)).abs().max() < 0.01


def test_of_several_starts_the_one_on_the_higher_hill_wins():
    def hills(actions):
        x = actions[..., 0, 0]
        return torch.exp(-40 * (x + 0.6).square()) + 2 * torch.exp(-40 * (x - 0.6).square())

    planner = Gradient(GradientConfig(horizon=1, candidates=64, elites=4, iterations=40, std_init=[1.0]), 1)
    assert planner.plan(hills, generators()).actions.item() == pytest.approx(0.6, abs=0.02)


def test_the_plan_is_the_best_that_was_passed_and_not_the_last():
    planner = Gradient(GradientConfig(horizon=1, candidates=2, elites=1, iterations=5, rate=5.0), 1)  # it overshoots
    scores = []

    def score(actions):
        values = -(actions - 0.1).square().sum((-1, -2))
        scores.append(values.max().item())
        return values

    assert planner.plan(score, generators()).score.item() == pytest.approx(max(scores))


@pytest.mark.parametrize("kind", KINDS)
def test_it_climbs_through_every_family(kind):
    model = make_informed(kind).eval()
    with torch.no_grad():
        belief = model.encode(noise_windows())
    score = model_score(model, Objective([(1.0, predicted_reward)]), belief)
    scores = []

    def watched(actions):
        values = score(actions)
        scores.append(values.detach().mean().item())
        return values

    Gradient(GradientConfig(horizon=3, candidates=4, elites=2, iterations=6), 2).plan(watched, generators(3))
    assert scores[5] > scores[0]
    assert all(weight.grad is None for weight in model.parameters())


def test_a_score_without_gradient_is_refused():
    with pytest.raises(UserError, match=r"planner=gradient climbs through the model.*exercise.oracle_episodes=0"):
        Gradient(GradientConfig(horizon=2), 1).plan(lambda actions: torch.zeros(actions.shape[:2]), generators())
