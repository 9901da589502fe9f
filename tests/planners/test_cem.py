"""What is particular to the cross-entropy method."""

from __future__ import annotations

import torch

from wm_lab.planners import CEM, CEMConfig


def generators(rows: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]


def peak(actions: torch.Tensor) -> torch.Tensor:
    return -(actions - 0.5).square().sum((-1, -2))


def test_one_iteration_without_momentum_returns_the_plain_elite_mean_and_spread():
    calls = []

    def score(actions):
        calls.append(actions)
        return peak(actions)

    settings = {"iterations": 1, "momentum": 0.0, "elites": 10, "candidates": 100, "std_min": 0.0}
    plan = CEM(CEMConfig(horizon=2, **settings), 3).plan(score, generators())
    order = peak(calls[0])[0].argsort(descending=True)[:10]
    elites = calls[0][0, order]
    assert torch.allclose(plan.mean[0], elites.mean(0), atol=1e-6)
    assert torch.allclose(plan.std[0], elites.std(0, correction=0), atol=1e-6)


def test_momentum_keeps_that_share_of_the_old_mean():
    everyone = {"candidates": 64, "elites": 64}  # so that a slow mean is no worse than the worst elite
    settings = {"horizon": 1, "iterations": 1, "keep_elites": 0, **everyone}
    free = CEM(CEMConfig(momentum=0.0, **settings), 1).plan(peak, generators())
    slow = CEM(CEMConfig(momentum=0.75, **settings), 1).plan(peak, generators())
    assert torch.allclose(slow.mean, 0.25 * free.mean)


def test_kept_elites_make_the_best_score_never_fall_during_a_search():
    best = []

    def score(actions):
        values = peak(actions)
        best.append(values.max().item())
        return values

    CEM(CEMConfig(horizon=6, candidates=16, elites=4, keep_elites=1, iterations=12), 4).plan(score, generators())
    assert best[:-1] == sorted(best[:-1])


def test_return_best_returns_the_best_candidate_ever_kept():
    settings = {"horizon": 3, "candidates": 32, "elites": 8, "iterations": 3}
    mean = CEM(CEMConfig(**settings), 2).plan(peak, generators(4))
    best = CEM(CEMConfig(return_best=True, **settings), 2).plan(peak, generators(4))
    assert torch.equal(best.score, best.elite_scores[:, 0])
    assert torch.equal(best.actions, best.elites[:, 0])
    assert torch.equal(mean.actions, mean.mean)
    assert torch.equal(best.mean, mean.mean)  # the next search starts from the mean either way
