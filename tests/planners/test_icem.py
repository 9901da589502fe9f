"""What is particular to iCEM: the colour of its noise, and how many candidates it tries."""

from __future__ import annotations

import pytest
import torch

from wm_lab.planners import ICEM, ICEMConfig


def generators(rows: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("steps", [16, 17])
def test_the_noise_has_unit_variance_and_a_spectrum_that_falls_as_its_colour_says(colour, steps):
    planner = ICEM(
        ICEMConfig(horizon=steps, candidates=20_000, iterations=1, elites=2, keep_elites=0, colour=colour), 1
    )
    noise = planner.noise(generators())[0, 0, :, :, 0].double()  # [N, K]
    assert noise.var(1, correction=0).mean().item() == pytest.approx(1, rel=0.02)
    power = torch.fft.rfft(noise)[:, 1 : (steps + 1) // 2].abs().square().mean(0)  # without the mean and the fastest
    waves = torch.arange(1, len(power) + 1, dtype=torch.double)
    torch.testing.assert_close(power / power[0], waves**-colour, rtol=0.06, atol=0.002)


def test_short_noise_has_unit_variance_too():
    for steps in (2, 3, 4):
        planner = ICEM(ICEMConfig(horizon=steps, candidates=20_000, iterations=1, elites=2, keep_elites=0), 1)
        assert planner.noise(generators())[0, 0].var(1, correction=0).mean().item() == pytest.approx(1, rel=0.04)
    planner = ICEM(ICEMConfig(horizon=1, candidates=20_000, iterations=1, elites=2, keep_elites=0), 1)
    assert planner.noise(generators()).var().item() == pytest.approx(1, rel=0.04)


def test_each_iteration_tries_fewer_candidates_down_to_twice_the_elites():
    tried = []

    def score(actions):
        tried.append(actions.shape[1])
        return peak(actions)

    ICEM(ICEMConfig(horizon=3, candidates=100, elites=20, iterations=6, decay=1.5), 2).plan(score, generators())
    assert tried == [100, 67, 44, 40, 40, 40, 1]


def test_the_plan_is_the_best_candidate_of_the_last_iteration_and_the_search_goes_on_from_the_mean():
    calls = []

    def score(actions):
        calls.append(actions)
        return peak(actions)

    plan = ICEM(ICEMConfig(horizon=3, candidates=32, elites=8, iterations=2), 2).plan(score, generators())
    assert plan.score.item() == peak(calls[-2]).max().item()
    assert not torch.equal(plan.mean, plan.actions)


def test_it_finds_the_minimum_of_a_quadratic_inside_the_bounds_and_on_them():
    target = torch.tensor([[-0.8, 0.1], [-0.3, 2.0], [0.1, 0.4], [0.6, -3.0]])
    config = ICEMConfig(horizon=4, candidates=512, iterations=30, elites=16, std_min=0.002, colour=1.0)
    plan = ICEM(config, 2).plan(lambda actions: -(actions - target).square().sum((-1, -2)), generators(2))
    assert (plan.actions - target.clamp(-1, 1)).abs().max() < 0.02


def peak(actions: torch.Tensor) -> torch.Tensor:
    return -(actions - 0.5).square().sum((-1, -2))
