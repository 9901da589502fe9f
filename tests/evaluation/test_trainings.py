"""Findings of several trainings on the same episodes: known means and reaches, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.test_assessment import VARIABLES
from wm_lab.evaluation.assessment import OVERALL, PERSISTENCE, assess_groups
from wm_lab.evaluation.horizon import Horizon
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.trainings import over_assessments, over_horizons, over_ratios, over_trainings

pytestmark = pytest.mark.slow

T2 = 4.302652729911275
"""Student's 97.5 % with two degrees of freedom."""


def test_one_training_keeps_its_own_interval():
    alone = Interval(0.1, 0.3, 0.4, 20)
    assert over_trainings([alone]) is alone


def test_trainings_that_agree_keep_the_episodes_reach_and_others_add_students():
    assert over_trainings([Interval(0.1, 0.3, 0.4, 20)] * 3)[:3] == pytest.approx((0.1, 0.3, 0.4))
    sure = over_trainings([Interval(x, x, x, 20) for x in (1.0, 2.0, 3.0)])
    assert sure[:3] == pytest.approx((2 - T2 / np.sqrt(3), 2, 2 + T2 / np.sqrt(3))) and sure.n == 20
    both = over_trainings([Interval(x - 3, x, x + 4, 20) for x in (1.0, 2.0, 3.0)])
    for reach, alone in ((2 - both.low, 3), (both.high - 2, 4)):
        assert max(alone, T2 / np.sqrt(3)) < reach < np.hypot(alone, T2 / np.sqrt(3)), "not each with its own quantile"


def test_bounds_stay_where_there_is_something():
    told = over_trainings([Interval(x, x, x, 9) for x in (0.9, 0.99, 0.95)], most=1.0)
    assert told.high == 1.0 and told.low < 0.9
    assert np.isnan(over_trainings([Interval(0, 1, 2, 9), Interval(np.nan, np.nan, np.nan, 9)]).value)


def test_horizons_are_taken_outwards_to_steps_and_sure_is_what_all_are_sure_of():
    found = over_horizons(
        [Horizon(10, 12, 14, 11, 20, 30), Horizon(10, 13, 15, 9, 20, 30), Horizon(9, 12, 14, 10, 20, 30)]
    )
    assert (found.value, found.significant, found.limit, found.n) == (12, 9, 20, 30)
    assert found.low < 10 and found.high > 14
    censored = over_horizons([Horizon(20, 20, 20, 20, 20, 30)] * 3)
    assert censored.bounds() == ">20" and censored.claim() == "20+"


@pytest.mark.parametrize("between", [0.0, 0.1, 0.3])
def test_intervals_over_three_trainings_hold_the_truth_in_94_to_99_of_a_hundred(between):
    """Each training errs by so much on all of 40 episodes, each episode by 1 in all trainings, each pair by 0.5."""
    rng, hits, tries = np.random.default_rng(0), 0, 800
    for _ in range(tries):
        x = between * rng.normal(size=(3, 1)) + rng.normal(size=40) + 0.5 * rng.normal(size=(3, 40))
        found = over_trainings([mean(row) for row in x])
        hits += found.low <= 0 <= found.high
    assert 0.94 <= hits / tries <= 0.99


def test_assessments_of_several_trainings_are_told_as_one():
    episode, contact = np.repeat(np.arange(12), 2), np.tile([True, False], 12)
    still = {name: np.ones((24, 4)) for name in (*(v.name for v in VARIABLES), OVERALL)}

    def errors(scale: float) -> dict[str, np.ndarray]:
        return {name: np.full((24, 4), scale) for name in (*(v.name for v in VARIABLES), OVERALL)}

    found = [
        assess_groups(errors(scale), {PERSISTENCE: still}, episode, contact, VARIABLES, resamples=100)
        for scale in (0.4, 0.5, 0.6)
    ]
    whole = over_assessments(found)["all"]
    skill = whole.skill[PERSISTENCE][OVERALL]
    np.testing.assert_allclose(skill.value, 0.5)
    reach = T2 * np.log([0.4, 0.5, 0.6]).std(ddof=1) / np.sqrt(3)  # ratios of errors differ by factors
    np.testing.assert_allclose(1 - skill.low, 0.5 * np.exp(reach), rtol=1e-6)
    np.testing.assert_allclose(whole.curves["model"]["block"].median, 0.5)
    assert (whole.windows, whole.episodes, whole.beats[PERSISTENCE][OVERALL].significant) == (24, 12, 4)
    assert over_assessments([found[0], {"all": found[1]["all"]}]).keys() == {"all"}, "what one lacks is told of none"


def test_ratios_of_trainings_that_disagree_are_never_below_zero():
    found = over_ratios([Interval(0.5, 1.0, 2.0, 9), Interval(2.0, 4.0, 8.0, 9)])
    assert found.value == 2.5 and 0 < found.low < 0.01 and 500 < found.high < np.inf
    assert over_ratios([Interval(0.5, 1.0, 2.0, 9)]) == (0.5, 1.0, 2.0, 9)
