"""Rank statistics and prediction-powered estimates against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wm_lab.evaluation.doubt import doubt_of_wrong
from wm_lab.evaluation.policy_ranking import (
    kappa,
    misplaced,
    mmrv,
    pearson,
    rank_policies,
    ranks,
    ranks_better,
    spearman,
)
from wm_lab.evaluation.prediction_powered import PRIOR, prediction_powered
from wm_lab.evaluation.proportions import wilson


def flags(rates: list[float], episodes: int = 100) -> np.ndarray:
    return np.arange(episodes) < np.array(rates)[:, None] * episodes


def test_mmrv_is_what_a_wrong_order_costs_on_average():
    true = np.array([0.1, 0.5, 0.9])
    assert mmrv(true, np.array([0.2, 0.3, 0.4])) == 0
    assert mmrv(true, np.array([0.3, 0.2, 0.4])) == pytest.approx((0.4 + 0.4) / 3)  # the first two changed places
    assert mmrv(true, np.array([0.9, 0.5, 0.1])) == pytest.approx((0.8 + 0.4 + 0.8) / 3)
    assert mmrv(true, np.zeros(3)) == pytest.approx((0.8 + 0.4) / 3)  # all tied: each below a better one unseen


def test_correlations_are_scipys_with_ties():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 5, 12) / 4, random.random(12)
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    np.testing.assert_allclose(ranks(a), stats.rankdata(a))
    assert np.isnan(pearson(a, np.ones(12)))


def test_agreement_by_luck_alone_is_a_kappa_of_zero_and_perfect_agreement_of_one():
    rates = np.array([0.5, 0.5])
    assert kappa(rates, rates, np.array([0.5, 0.5])) == pytest.approx(0)
    assert kappa(rates, rates, np.array([1.0, 1.0])) == pytest.approx(1)


def test_imagination_that_is_the_truth_ranks_perfectly():
    true = flags([0.0, 0.2, 0.5, 0.8, 1.0])
    found = rank_policies(true, true)
    assert found.spearman.value == found.pearson.value == found.kappa.value == found.ordered.value == 1
    assert found.mmrv == found.mmrv._replace(low=0, value=0, high=0)
    assert found.agreement.low == found.agreement.high == 1 and found.bias.low == found.bias.high == 0


def test_imagination_that_praises_everybody_is_biased_and_orders_nothing():
    true = flags([0.1, 0.4, 0.9])
    found = rank_policies(true, np.ones_like(true))
    assert np.isnan(found.spearman.value) and found.bias.value == pytest.approx(1 - np.mean([0.1, 0.4, 0.9]))
    assert found.ordered.value == 0 and found.bias.low <= found.bias.value <= found.bias.high


def test_several_imaginations_rank_by_the_mean_of_their_rates():
    true = flags([0.1, 0.4, 0.6, 0.9])
    wrong = [flags([0.3, 0.2, 0.6, 0.9]), flags([0.1, 0.6, 0.5, 0.9])]  # each in another pair
    assert [rank_policies(true, each).mmrv.value > 0 for each in wrong] == [True, True]
    found = rank_policies(true, np.stack(wrong))
    assert found.spearman.value == 1 and found.mmrv.value == 0
    alone = [rank_policies(true, each).agreement.value for each in wrong]
    assert found.agreement.value == pytest.approx(np.mean(alone))
    assert found.bias.value == pytest.approx((0.2 + 0.4 + 0.55 + 0.9 - 2) / 4)


def test_one_imagination_ranks_better_than_another_by_the_difference_of_their_correlations():
    true, turned = flags([0.1, 0.4, 0.6, 0.9]), flags([0.4, 0.1, 0.6, 0.9])
    found = ranks_better(true, true, turned)
    assert found.value == pytest.approx(1 - 0.8) and found.low <= 0.2 <= found.high
    assert ranks_better(true, turned, turned)[:3] == (0, 0, 0)


def test_the_policy_whose_place_costs_most_is_named():
    true = np.array([0.1, 0.3, 0.5, 0.7])
    assert misplaced(true, np.array([0.1, 0.3, 0.5, 0.0])) == 3
    # Two that are tied in imagination cost less than one that is praised above a better one.
    assert misplaced(np.array([0.02, 0.0, 0.03, 0.28]), np.array([0.0, 0.0, 0.42, 0.37])) == 2
    # Not the one that truly never succeeds and is imagined so, but the better one that was not told from it.
    assert misplaced(np.array([0.5, 0.25, 0.0]), np.array([0.5, 0.0, 0.0])) == 1


def test_doubt_is_worth_what_the_area_under_its_curve_says():
    wrong = np.array([[True, False, False, True], [False, False, True, False]])
    doubt = np.array([[5.0, 1.0, 4.0, 3.0], [2.0, 1.0, 6.0, 0.0]])
    found = doubt_of_wrong(doubt, wrong)
    assert found.value == pytest.approx(14 / 15) and found.low <= found.value <= found.high  # 3 is below 4 alone
    assert doubt_of_wrong(wrong.astype(float), wrong).value == 1 and doubt_of_wrong(np.ones((2, 4)), wrong).value == 0.5
    assert np.isnan(doubt_of_wrong(np.full((2, 4), np.nan), wrong).value)


def test_an_estimate_from_few_true_episodes_is_the_papers_with_a_shrunken_weight():
    true = np.array([1, 1, 1, 0, 0, 1, 0, 1, 0, 1], bool)
    imagined = np.array([1, 1, 1, 0, 1, 1, 0, 1, 0, 1], bool)
    elsewhere = np.arange(40) < 20
    y, f = true.astype(float), imagined.astype(float)
    together = ((y - y.mean()) * (f - f.mean())).sum()
    spread = ((f - f.mean()) ** 2).sum() + PRIOR * np.concatenate([f, elsewhere]).var()
    weight = together / spread * 40 / 50
    found = prediction_powered(true, imagined, elsewhere)
    assert found.value == pytest.approx(0.6 + weight * (0.5 - 0.7))
    assert found.high - found.low < wilson(6, 10).high - wilson(6, 10).low


@pytest.mark.parametrize("imagined", [np.zeros(10, bool), np.arange(10) >= 6])
def test_imagination_that_says_nothing_or_the_opposite_changes_nothing(imagined):
    true = np.arange(10) < 6
    assert prediction_powered(true, imagined, np.ones(90, bool)) == pytest.approx(wilson(6, 10))


def test_estimates_hold_the_true_rate_as_often_as_they_say_and_are_narrower():
    random, held, narrower = np.random.default_rng(1), [], []
    for rate in (0.1, 0.3, 0.5, 0.7, 0.9):
        for right, wrong in ((0.95, 0.1), (0.8, 0.2), (0.99, 0.02)):
            for _ in range(150):
                true = random.random(100) < rate
                imagined = random.random(100) < np.where(true, right, wrong)
                found = prediction_powered(true[:10], imagined[:10], imagined[10:])
                alone = wilson(int(true[:10].sum()), 10)
                held.append(found.low <= rate <= found.high)
                narrower.append((found.high - found.low) / (alone.high - alone.low))
    assert 0.94 <= np.mean(held) <= 0.97
    assert np.mean(narrower) < 0.9
