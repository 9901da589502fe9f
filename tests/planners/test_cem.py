"""What is particular to the cross-entropy method."""

from __future__ import annotations

import torch

from wm_lab.planners import CEM, CEMConfig


def generators(rows: int = 1) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(row) for row in range(rows)]


def peak(actions: torch.Tensor) -> torch.Tensor:
    return -(actions - 0.5).square().sum((-1, -2))


def test_one_iteration_returns_the_plain_elite_mean_and_spread():
    calls = []

    def score(actions):
        calls.append(actions)
        return peak(actions)

    settings = {"iterations": 1, "elites": 10, "candidates": 100, "std_min": 0.0}
    plan = CEM(CEMConfig(horizon=2, **settings), 3).plan(score, generators())
    order = peak(calls[0])[0].argsort(descending=True)[:10]
    elites = calls[0][0, order]
    assert torch.allclose(plan.mean[0], elites.mean(0), atol=1e-6)
    assert torch.allclose(plan.std[0], elites.std(0, correction=0), atol=1e-6)


def test_kept_elites_make_the_best_score_never_fall_during_a_search():
    best = []

    def score(actions):
        values = peak(actions)
        best.append(values.max().item())
        return values

    CEM(CEMConfig(horizon=6, candidates=16, elites=4, keep_elites=1, iterations=12), 4).plan(score, generators())
    assert best[:-1] == sorted(best[:-1])
