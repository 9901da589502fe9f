"""λ-returns and their scale, held against definitions written out."""

from __future__ import annotations

import numpy as np
import torch

from wm_lab.behaviours.returns import ReturnScale, lambda_returns, replayed_returns

MIXING = 0.9
REWARD = [0.0, 1.0, -2.0, 0.5, 3.0, 1.0]
GOES_ON = [1.0, 0.9, 0.9, 0.0, 0.9, 0.8]  # the episode ends at state 3, and something else follows
VALUE = [0.3, 5.0, -1.0, 7.0, 2.0, 4.0]


def by_definition(reward: list[float], goes_on: list[float], value: list[float], mixing: float) -> list[float]:
    """R_t as the mixture of all n-step returns (Sutton & Barto, §12.1), each of them summed up on its own."""
    last = len(reward) - 1
    returns = []
    for t in range(last):
        n_step = []
        for n in range(1, last - t + 1):
            total, alive = 0.0, 1.0
            for k in range(t + 1, t + n + 1):
                total += alive * reward[k]
                alive *= goes_on[k]
            n_step.append(total + alive * value[t + n])
        weights = [(1 - mixing) * mixing**i for i in range(len(n_step) - 1)]
        weights.append(mixing ** (len(n_step) - 1))
        returns.append(float(np.dot(weights, n_step)))
    return returns


def double(*rows: list[float]) -> list[torch.Tensor]:
    return [torch.tensor([row], dtype=torch.float64) for row in rows]


def test_lambda_returns_are_the_mixture_of_n_step_returns():
    for mixing in (0.0, 0.3, MIXING, 1.0):
        found = lambda_returns(*double(REWARD, GOES_ON, VALUE), mixing)
        np.testing.assert_allclose(found[0], by_definition(REWARD, GOES_ON, VALUE, mixing), rtol=0, atol=1e-12)


def test_nothing_behind_an_end_counts():
    before = lambda_returns(*double(REWARD, GOES_ON, VALUE), MIXING)
    after = lambda_returns(*double([*REWARD[:4], 99, 99], GOES_ON, [*VALUE[:3], 99, 99, 99]), MIXING)
    torch.testing.assert_close(before[:, :3], after[:, :3], rtol=0, atol=0)


def test_replayed_returns_are_those_of_each_episode_alone():
    linked = torch.tensor([[False, True, True, False, True, True]])  # a new episode begins at step 3
    goes_on = [1.0, 0.9, 0.9, 1.0, 0.9, 0.8]
    found, known = replayed_returns(*double(REWARD, goes_on), linked, *double(VALUE), MIXING)
    assert known.tolist() == [[True, True, False, True, True]]
    first = by_definition(REWARD[:3], goes_on[:3], VALUE[:3], MIXING)
    second = by_definition(REWARD[3:], goes_on[3:], VALUE[3:], MIXING)
    np.testing.assert_allclose(found[known], [*first, *second], rtol=0, atol=1e-12)


def test_the_scale_comes_to_the_distance_of_the_5th_and_the_95th_percentile():
    scale, returns = ReturnScale(), torch.linspace(-50, 50, 1001)
    for _ in range(2000):
        scale.update(returns)
    assert abs(float(scale()) - 90) < 0.01


def test_the_scale_blows_up_no_small_returns():
    scale = ReturnScale()
    for _ in range(2000):
        scale.update(torch.linspace(0, 0.1, 100))
    assert float(scale()) == 1.0
