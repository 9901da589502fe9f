"""Paired differences and attribution on outcomes whose answer is known, and the level of the claims under the null."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.errors import UserError
from wm_lab.evaluation.comparison import (
    adjust,
    attribute,
    compare,
    compare_by_type,
    compare_returns,
    exploitation,
    success_rows,
)
from wm_lab.evaluation.interval import Interval
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.verdicts import (
    attribution_verdict,
    exploitation_verdict,
    is_significant,
    planning_verdict,
    return_verdict,
)
from wm_lab.reports.tables import number

N = 100


def arms(mpc: int, bc: int, name: str, *tags: str):
    manifest = freeze(task_spec(name, tags), N)
    return {
        "mpc": outcomes(solved(mpc, N), "mpc", manifest),
        "bc": outcomes(solved(bc, N), "bc", manifest),
    }


def test_the_success_table_says_rate_time_and_the_returns_of_plans():
    plans = {"predicted": np.full(N, 2.0), "realised": np.full(N, 1.5)}
    row = success_rows({"toy/push": {"mpc": outcomes(solved(92, N), **plans)}})[0]
    assert str(row.success) == "0.92 [0.85, 0.96] (n=100)"
    assert (row.steps.value, row.steps.n) == (20.0, 92)
    assert row.decision_ms == 12.0
    assert row.predicted_minus_realised.value == pytest.approx(0.5)
    assert row.seeds == 1


def test_an_arm_that_never_succeeds_or_plans_still_has_a_row():
    row = success_rows({"toy/push": {"noop": outcomes(solved(0, N), "noop")}})[0]
    assert row.success.high == pytest.approx(0.037, abs=1e-3)
    assert row.steps.bounds() == row.predicted_minus_realised.bounds() == "–"


def test_a_paired_difference_is_seen_where_an_unpaired_one_would_not_be():
    found = compare(outcomes(solved(70, N)), outcomes(solved(60, N), "bc"))  # nested: 10 to 0 among the discordant
    assert found.difference.value == pytest.approx(0.10)
    assert found.difference.positive
    assert found.p == pytest.approx(1 / 2**10)
    assert is_significant(found)


def test_types_pool_the_tasks_that_carry_their_tag():
    results = {
        "toy/reach": arms(100, 100, "toy/reach", "reach"),
        "toy/push": arms(90, 60, "toy/push", "contact"),
        "toy/insert": arms(70, 50, "toy/insert", "contact", "precise"),
    }
    by_type = {d.name: d for d in compare_by_type(results, "mpc", "bc")}
    assert by_type["contact"].difference.value == pytest.approx(0.25)
    assert by_type["contact"].difference.n == 2 * N
    assert by_type["contact"].tasks == ("toy/push", "toy/insert")
    assert by_type["precise"].difference.value == pytest.approx(0.20)
    assert by_type["reach"].p_adjusted == 1.0


def test_the_verdict_names_winner_size_and_what_stays_open():
    results = {
        "toy/reach": arms(100, 100, "toy/reach", "reach"),
        "toy/push": arms(90, 60, "toy/push", "contact"),
        "toy/insert": arms(55, 50, "toy/insert", "precise"),
        "toy/stack": arms(10, 40, "toy/stack", "long-horizon"),
    }
    sentence = planning_verdict(compare_by_type(results, "mpc", "bc"))
    assert sentence.startswith("in this training, planning beats cloning on contact tasks by 0.30 [0.2")
    assert "cloning beats planning on long-horizon tasks by 0.30 [0.2" in sentence
    assert "planning and cloning lie within 0.1 of one another on reach tasks (0.00 [-0.05, 0.05], n=100)" in sentence
    open_ = "cannot tell whether planning or cloning is better on precise tasks (0.05 [0.00, 0.12], n=100)"
    assert open_ in sentence, "of one question it would be one"
    assert planning_verdict([]) == "cannot tell: no task has both arms."


def test_attribution_adds_up_to_the_whole_gap():
    gaps = attribute(
        expert=outcomes(solved(98, N), "expert"),
        true_true=outcomes(solved(95, N)),
        true_learned=outcomes(solved(85, N)),
        learned_true=outcomes(solved(70, N)),
        learned_learned=outcomes(solved(50, N)),
    )
    parts = (gaps.planner.value, gaps.cost.value, gaps.model.value)
    assert parts == pytest.approx((0.03, 0.10, 0.35))
    assert sum(parts) == pytest.approx(gaps.total.value)
    assert gaps.model_under_true_cost.value == pytest.approx(0.25)
    sentence = attribution_verdict(gaps)
    assert sentence.index("the model loses 0.35") < sentence.index("the cost loses 0.10")
    assert "not distinguishable from zero: planner 0.03" in sentence


def test_a_gap_is_told_over_all_that_both_have_played_and_its_parts_over_what_all_have():
    """The true dynamics played ten episodes, and expert and planner a hundred: ten could not tell their gap."""
    manifest = freeze(task_spec(), N)
    lost = np.resize([True, True, True, True, False], N)
    few = outcomes(np.ones(10, bool), manifest=manifest.first(10))
    gaps = attribute(
        expert=outcomes(solved(N, N), "expert", manifest),
        true_true=few,
        true_learned=few,
        learned_true=outcomes(lost, manifest=manifest),
        learned_learned=outcomes(lost, manifest=manifest),
    )
    assert (gaps.total.n, gaps.whole.n) == (10, N)
    assert not gaps.total.positive and gaps.whole.positive
    assert gaps.planner.value + gaps.cost.value + gaps.model.value == pytest.approx(gaps.total.value)
    assert attribution_verdict(gaps).startswith("the gap to the expert is 0.20 [0.1")


def test_of_three_parts_one_is_found_guilty_by_chance_in_at_most_one_experiment_in_twenty():
    rng, guilty = np.random.default_rng(0), []
    for _ in range(150):
        expert, a, b, c = (outcomes(rng.random(50) < 0.7) for _ in range(4))
        gaps = attribute(expert=expert, true_true=a, true_learned=b, learned_true=c, learned_learned=c)
        guilty.append(bool(gaps.significant))
    assert np.mean(guilty) <= 0.06


def test_no_gap_to_the_expert_is_not_attributed():
    same = outcomes(solved(95, N))
    gaps = attribute(expert=same, true_true=same, true_learned=same, learned_true=same, learned_learned=same)
    assert attribution_verdict(gaps).startswith("cannot tell that the learned planner does worse than the expert")


def test_exploitation_is_the_predicted_minus_the_realised_return():
    rng = np.random.default_rng(0)
    realised = rng.normal(size=N)
    greedy = outcomes(solved(50, N), predicted=realised + 0.5 + 0.1 * rng.normal(size=N), realised=realised)
    assert exploitation(greedy).value == pytest.approx(0.5, abs=0.05)
    assert exploitation_verdict(exploitation(greedy)).startswith(
        "the predicted return of chosen plans exceeds the realised return by 0.4"
    )
    fair = outcomes(solved(50, N), predicted=realised + 0.1 * rng.normal(size=N), realised=realised)
    assert exploitation_verdict(exploitation(fair)).startswith("cannot tell")


def test_different_manifests_are_never_compared():
    with pytest.raises(UserError, match="100 episodes against 50"):
        compare(outcomes(solved(50, 100)), outcomes(solved(25, 50), "bc"))


def test_training_seeds_that_disagree_widen_the_interval():
    bc = outcomes(solved(50, N), "bc")
    steady = compare([outcomes(solved(k, N), seed=i) for i, k in enumerate((80, 80, 80))], bc)
    shaky = compare([outcomes(solved(k, N), seed=i) for i, k in enumerate((100, 80, 60))], bc)
    assert steady.difference.value == pytest.approx(shaky.difference.value)
    assert is_significant(steady)
    assert not is_significant(shaky)
    single = compare(outcomes(solved(80, N)), bc)
    assert steady.difference == pytest.approx(single.difference, abs=0.005)  # seeds that agree add no episodes
    assert shaky.rate_a.high - shaky.rate_a.low > steady.rate_a.high - steady.rate_a.low


def null_experiment(rng: np.random.Generator, types: int, episodes: int) -> bool:
    """Two equally good arms on several task types: is any difference significant?"""
    results = {}
    for k in range(types):
        manifest = freeze(task_spec(f"toy/{k}", (f"type-{k}",)), episodes)
        hardness = rng.random(episodes)
        flags = rng.random((2, episodes)) < hardness
        results[f"toy/{k}"] = {
            arm: outcomes(flag, arm, manifest) for arm, flag in zip(("mpc", "bc"), flags, strict=True)
        }
    return any(is_significant(d) for d in compare_by_type(results, "mpc", "bc"))


def test_under_the_null_a_verdict_claims_a_difference_in_at_most_5_percent_of_experiments():
    rng = np.random.default_rng(0)
    false_claims = np.mean([null_experiment(rng, types=4, episodes=50) for _ in range(150)])
    assert false_claims <= 0.05


def test_a_real_difference_is_claimed_more_often_than_not():
    """The other half: a verdict that never claims anything would pass the null test too."""
    rng = np.random.default_rng(0)
    claims = []
    for _ in range(100):
        luck = rng.random(N)
        claims.append(is_significant(compare(outcomes(luck < 0.8), outcomes(luck < 0.65 + 0.05 * rng.random(N), "bc"))))
    assert np.mean(claims) > 0.8


def test_what_is_next_to_nothing_or_astronomical_is_told_with_a_power_of_ten():
    assert Interval(-2.46e20, -2.23e20, -2.07e20, 4).bounds() == "-2.2e+20 [-2.5e+20, -2.1e+20]"
    assert Interval(1e12, 1e12, 1e12, 4).bounds(2) == "1e+12 [1e+12, 1e+12]" and number(1e12, 2) == "1e+12"
    assert Interval(-inf, 12.0, inf, 1).bounds() == "12.00 [-inf, inf]"
    assert Interval(-2.4e-41, 0.0, 6.3e-40, 4).bounds() == "0 [-2e-41, 6e-40]"
    assert Interval(0.0099999, 0.01, 0.01000001, 4).bounds() == "0.0100000 [0.0099999, 0.0100000]"
    assert Interval(9.99999e-4, 1e-3, 1.00000001e-3, 4).bounds() == "0.001 [0.000999999, 0.001]"
    assert Interval(-6.3e-40, -1e-40, -2.4e-41, 4).bounds() == "-1e-40 [-6e-40, -2e-41]"


def test_what_rounds_to_zero_has_no_sign():
    assert Interval(-0.4, -0.2, 6.0, 4).bounds(0) == "0 [0, 6]"
    assert number(-0.001, 2) == "0.00" and number(-1234.5, 0, ",") == "-1,234"


def test_a_task_with_rewards_alone_is_told_by_its_returns():
    manifest = freeze(task_spec("toy/hop", success_test=""), N)
    never = np.zeros(N, bool)
    mpc = outcomes(never, "mpc", manifest, episode_return=np.full(N, 12.0))
    noop = outcomes(never, "noop", manifest, episode_return=np.full(N, 12.0) + np.resize([1.0, -1.0], N))
    weak = outcomes(never, "random", manifest, episode_return=np.linspace(0, 4, N))
    row = success_rows({"toy/hop": {"mpc": mpc}})[0]
    assert np.isnan(row.success.value) and row.success.n == N and row.episode_return.value == 12.0
    more, same = adjust([compare_returns(mpc, weak), compare_returns(mpc, noop)])
    told = return_verdict([more, same])
    assert told.startswith("in this training, planning earns 10 more than random (")
    assert "; cannot tell that planning earns more or less than noop (0" in told
    assert (more.rate_a.value, more.rate_b.value, same.p, same.p_adjusted) == (12.0, pytest.approx(2.0), 1.0, 1.0)
    acted = return_verdict([replace(more, a="actor"), replace(same, a="actor")])
    assert acted.startswith("in this training, the actor earns 10 more than random (")
    assert "; cannot tell that the actor earns more or less than noop (0" in acted


def test_the_p_of_returns_is_nearly_students_and_corrected_for_the_questions_asked():
    from scipy import stats

    rng, never = np.random.default_rng(0), np.zeros(N, bool)
    manifest = freeze(task_spec("toy/hop", success_test=""), N)
    mine, theirs = rng.normal(0.2, 1, N), rng.normal(0, 1, N)
    a, b = (outcomes(never, arm, manifest, episode_return=r) for arm, r in (("mpc", mine), ("bc", theirs)))
    difference = compare_returns(a, b)
    assert difference.p == pytest.approx(stats.ttest_rel(mine, theirs).pvalue, rel=0.25)
    assert [d.p_adjusted for d in adjust([difference, difference])] == [pytest.approx(2 * difference.p)] * 2


def test_returns_without_an_expert_are_attributed_from_the_true_dynamics_on():
    rng, never = np.random.default_rng(0), np.zeros(N, bool)
    manifest = freeze(task_spec("toy/hop", success_test=""), N)
    ideal, judged, learned = (
        outcomes(never, "mpc", manifest, episode_return=r + 0.1 * rng.normal(size=N)) for r in (10.0, 9.0, 4.0)
    )
    gaps = attribute(
        expert=None,
        true_true=ideal,
        true_learned=judged,
        learned_true=None,
        learned_learned=learned,
        compared=compare_returns,
    )
    assert gaps.cost.value == pytest.approx(1.0, abs=0.05) and gaps.model.value == pytest.approx(5.0, abs=0.05)
    assert gaps.total.value == pytest.approx(gaps.cost.value + gaps.model.value)
    assert np.isnan([gaps.planner.value, gaps.model_under_true_cost.value]).all()
    sentence = attribution_verdict(gaps)
    assert sentence.startswith("the gap to planning in the true dynamics is 6.0")
    assert "the model loses 5.0" in sentence and "the cost loses 1.0" in sentence and "planner" not in sentence


def test_returns_of_seeds_that_disagree_are_as_uncertain_as_the_seeds():
    manifest = freeze(task_spec("toy/hop", success_test=""), N)
    arms = {
        name: [
            outcomes(np.zeros(N, bool), name, manifest, seed=i, episode_return=np.full(N, r)) for i, r in enumerate(rs)
        ]
        for name, rs in {"mpc": (10.0, 12.0, 14.0), "random": (1.0, 1.0, 1.0)}.items()
    }
    row = success_rows({"toy/hop": arms})[0]
    reach = 4.303 * 2 / np.sqrt(3)  # Student's t of 2 degrees of freedom
    assert row.episode_return == pytest.approx((12 - reach, 12, 12 + reach, N), abs=1e-2)
    gap = compare_returns(arms["mpc"], arms["random"])
    assert gap.difference == pytest.approx((11 - reach, 11, 11 + reach, N), abs=1e-2)
    assert gap.p == pytest.approx(0.0109, abs=1e-4), "t = 9.53 of 2 degrees of freedom"
