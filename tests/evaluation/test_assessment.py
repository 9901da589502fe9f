"""Errors, skill and horizons on worlds whose errors are chosen, and baselines on systems they should know."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.examples import VARIABLES
from wm_lab.errors import UserError
from wm_lab.evaluation.assessment import (
    OVERALL,
    WORST_ERROR,
    assess,
    assess_groups,
    variable_errors,
    whether_there,
)
from wm_lab.evaluation.baselines import (
    LinearDynamics,
    constant_velocity,
    foreign_windows,
    persistence,
)
from wm_lab.evaluation.bootstrap import resample_counts
from wm_lab.evaluation.horizon import find_horizon
from wm_lab.evaluation.means import mean
from wm_lab.evaluation.verdicts import by_group, imagination_verdict
from wm_lab.exercises.imagination.answer import imagination_tables
from wm_lab.tasks.task import Variable

H = 20
STEPS = np.arange(1, H + 1)


def errors(curve: np.ndarray, episodes: int = 40, windows: int = 3, spread: float = 0.1, seed: int = 0) -> dict:
    """The same error curve [H] for all variables, scaled by a luck that the windows of an episode share."""
    luck = np.exp(spread * np.random.default_rng(seed).normal(size=episodes)).repeat(windows)
    scaled = luck[:, None] * curve
    return {"hand": scaled, "block": scaled, OVERALL: scaled}


def episodes_of(count: int = 40, windows: int = 3) -> np.ndarray:
    return np.arange(count).repeat(windows)


def test_errors_are_norms_in_the_variables_unit_and_z_scores_over_what_moves():
    truth = np.zeros((1, 2, 5))
    predicted = truth + np.array([3.0, 4.0, 0.0, 1.0, 7.0])
    found = variable_errors(predicted, truth, VARIABLES, std=np.array([1.0, 2.0, 1.0, 1.0, 0.0]))
    assert found["hand"].tolist() == [[5.0, 5.0]]
    assert found["block"].tolist() == [[1.0, 1.0]]
    assert found[OVERALL] == pytest.approx(np.full((1, 2), np.sqrt((9 + 4 + 0 + 1) / 4)))


def test_a_prediction_that_is_not_a_number_is_the_worst_there_is():
    predicted = np.zeros((2, 1, 4))
    predicted[0] = np.nan
    found = variable_errors(predicted, np.zeros((2, 1, 4)), VARIABLES, np.ones(4))
    assert found[OVERALL][:, 0].tolist() == [WORST_ERROR, 0.0]


def test_of_a_thing_only_the_windows_that_have_it_tell():
    there = {"block": episodes_of() < 10}
    model, rest = errors(np.full(H, 1.0)), errors(np.full(H, 2.0))
    padded = {name: {**e, "block": e["block"] * there["block"][:, None]} for name, e in {"m": model, "p": rest}.items()}
    found = assess(padded["m"], {"persistence": padded["p"]}, episodes_of(), VARIABLES, there=there)
    few = {name: e[there["block"]] for name, e in model.items()}, {name: e[there["block"]] for name, e in rest.items()}
    alone = assess(few[0], {"persistence": few[1]}, episodes_of(10), VARIABLES)
    assert found.tolerance["block"] == alone.tolerance["block"] and found.tolerance["block"].value == 0
    np.testing.assert_array_equal(
        found.curves["model"]["block"].median_high, alone.curves["model"]["block"].median_high
    )
    assert (found.n("block"), found.n("hand")) == (10, 40)
    once = assess(
        padded["m"], {"persistence": padded["p"]}, episodes_of(), VARIABLES, there={"block": episodes_of() < 1}
    )
    assert "block" not in once.units.keys() | once.tolerance.keys() | once.curves["model"].keys()


def test_a_states_own_numbers_tell_which_of_its_things_are_there():
    variables = [
        Variable("block", 0, 3, "m"),
        Variable("block_rotation", 3, 7, "quaternion"),
        Variable("tcp", 7, 10, "m"),
    ]
    states = np.zeros((2, 11))
    states[0, 10] = 1.0
    found = whether_there(states, [*variables, Variable("block_present", 10, 11, "0 or 1")])
    assert {name: flags.tolist() for name, flags in found.items()} == {
        "block": [True, False],
        "block_rotation": [True, False],
    }
    assert not whether_there(states, variables)


def test_horizons_are_found_where_the_curves_were_made_to_cross():
    model = errors(0.001 * STEPS**1.5)
    baselines = {
        "persistence": errors(np.full(H, 0.03)),  # crossed after step 9: 9^1.5 = 27, 10^1.5 = 31.6
        "linear": errors(np.full(H, 0.0115)),  # crossed after step 5: 11.2 and 14.7
        "shuffled": errors(0.001 * STEPS**1.5 * np.where(STEPS <= 12, 1.2, 1.05)),
    }
    found = assess(model, baselines, episodes_of(), VARIABLES)
    assert found.beats["persistence"][OVERALL].value == 9
    assert found.beats["linear"]["block"].value == 5
    assert found.actions[OVERALL].value == 12
    assert found.tolerance["block"].value == 7  # 0.02 m: 18.5 and 22.6
    assert "hand" not in found.tolerance
    assert found.useful.value == 7
    skill = found.skill["persistence"][OVERALL].value
    assert skill == pytest.approx(1 - STEPS**1.5 / 30)


def test_a_perfect_model_is_censored_and_a_useless_one_is_at_zero():
    baselines = {"persistence": errors(np.full(H, 0.03))}
    perfect = assess(errors(np.zeros(H)), baselines, episodes_of(), VARIABLES)
    assert str(perfect.useful) == ">20 (n=40)"
    assert perfect.useful.claim() == "20+"
    useless = assess(errors(np.full(H, 0.3)), baselines, episodes_of(), VARIABLES)
    assert str(useless.useful) == "0 [0, 0] (n=40)"


def test_two_perfect_predictors_have_no_skill_over_each_other():
    nothing = errors(np.zeros(H))
    found = assess(nothing, {"persistence": nothing}, episodes_of(), VARIABLES)
    assert (found.skill["persistence"][OVERALL].value == 0).all()
    assert found.beats["persistence"][OVERALL].value == 0


def test_episodes_are_resampled_not_windows():
    """Copying every window of an episode tenfold adds no evidence."""
    few = assess(
        errors(STEPS, windows=1, spread=1.0), {"persistence": errors(STEPS, windows=1)}, episodes_of(40, 1), VARIABLES
    )
    many = assess(
        errors(STEPS, windows=10, spread=1.0),
        {"persistence": errors(STEPS, windows=10)},
        episodes_of(40, 10),
        VARIABLES,
    )
    a, b = few.curves["model"][OVERALL], many.curves["model"][OVERALL]
    assert a.mean_high - a.mean_low == pytest.approx(b.mean_high - b.mean_low)
    assert (many.episodes, many.windows) == (40, 400)


def test_the_mean_curve_is_the_mean_over_episodes():
    found = assess(
        errors(STEPS, windows=1, spread=0.5), {"persistence": errors(STEPS, windows=1)}, episodes_of(40, 1), VARIABLES
    )
    curve = found.curves["model"]["hand"]
    expected = mean(errors(STEPS, windows=1, spread=0.5)["hand"][:, 4])
    assert (curve.mean_low[4], curve.mean[4], curve.mean_high[4]) == pytest.approx(expected[:3])


def test_the_median_band_covers_the_true_median():
    rng = np.random.default_rng(0)
    hits = []
    for trial in range(150):
        luck = rng.normal(size=30).repeat(4)
        values = np.abs(np.exp(luck + rng.normal(size=120)))[:, None]  # median 1, windows of an episode alike
        same = {OVERALL: values}
        curve = assess(same, {"persistence": same}, episodes_of(30, 4), (), resamples=300, seed=trial).curves
        hits.append(curve["model"][OVERALL].median_low[0] <= 1 <= curve["model"][OVERALL].median_high[0])
    assert 0.9 <= np.mean(hits) <= 0.99


def test_median_and_p90_are_told_apart_when_contact_fails_in_one_window_of_five():
    values = np.where(np.arange(200) % 5 == 0, 1.0, 0.01)[:, None]
    same = {"hand": values, "block": values, OVERALL: values}
    curve = assess(same, {"persistence": same}, episodes_of(40, 5), VARIABLES).curves["model"]["block"]
    assert (curve.median[0], curve.p90[0]) == (0.01, 1.0)
    assert curve.at(1, 40).value == 0.01


def test_contact_and_free_windows_are_judged_apart():
    contact = np.arange(120) % 3 == 0
    curve = np.where(contact[:, None], 0.01 * STEPS, 0.001 * STEPS)
    model = {"hand": curve, "block": curve, OVERALL: curve}
    found = assess_groups(model, {"persistence": errors(np.full(H, 1.0))}, episodes_of(), contact, VARIABLES)
    assert found["contact"].useful.value == 2  # 0.02 m at 0.01 a step
    assert found["free"].useful.value == 20
    assert found["contact"].windows + found["free"].windows == found["all"].windows == 120
    assert by_group(found) == "the model's imagination is useful for 2 [2, 2] steps in contact, >20 in free motion."
    alone = assess_groups(model, {"persistence": errors(np.full(H, 1.0))}, episodes_of(), np.ones(120, bool), VARIABLES)
    assert "free" not in alone


def test_a_single_episode_is_refused():
    with pytest.raises(UserError, match="judged over episodes, found 1"):
        assess(errors(STEPS, 1), {"persistence": errors(STEPS, 1)}, np.zeros(3), VARIABLES)


def test_a_horizon_is_uncertain_where_the_statistic_is():
    rng = np.random.default_rng(0)
    point = 1 - STEPS / 10.5
    found = find_horizon(point, point + 0.2 * rng.normal(size=(2000, 1)), above=0.0, n=100)
    # The crossing moves by 10.5 * 0.2 = 2.1 steps a standard deviation.
    assert (found.low, found.value, found.high) == (6, 10, 14)
    assert found.significant == 6


def test_the_last_step_counts_where_an_effect_takes_time_to_show():
    late = np.where((STEPS >= 5) & (STEPS <= 15), 1.0, 0.0)
    assert find_horizon(late, late[None], at_least=1.0, n=10, unbroken=False).value == 15
    assert find_horizon(late, late[None], at_least=1.0, n=10).value == 0


def test_the_verdict_names_what_is_beaten_and_what_is_kept():
    baselines = {"persistence": errors(np.full(H, 1.0)), "linear": errors(np.full(H, 0.0115))}
    found = assess(errors(0.001 * STEPS**1.5), baselines, episodes_of(), VARIABLES)
    assert imagination_verdict(found, control_hz=20) == (
        "the model's imagination is useful for 7 [7, 7] steps (0.35 s): it is significantly better (95 % CI) than "
        "persistence to step 20+, than the linear model to step 5; it stays inside the task's tolerance (block, "
        "0.02 m) for 7 steps (n=40 episodes, 120 windows)."
    )
    assert imagination_verdict(found, None).startswith("the model's imagination is useful for 7 [7, 7] steps: it is"), (
        "nobody timed the steps"
    )


def test_a_model_that_ignores_its_actions_is_not_useful_however_small_its_error():
    model = errors(0.0001 * STEPS)
    found = assess(model, {"persistence": errors(STEPS), "shuffled": model}, episodes_of(), VARIABLES)
    assert imagination_verdict(found).startswith(
        "the model's imagination is not useful: other actions change it too little"
    )


def test_a_model_like_persistence_is_rarely_called_useful():
    """Under the null (equally good, independent errors) a useful step is claimed in at most 5 % of experiments."""
    rng = np.random.default_rng(0)
    claims = []
    for trial in range(400):
        own, other = np.exp(rng.normal(size=(2, 60, 1)))
        found = assess({OVERALL: own}, {"persistence": {OVERALL: other}}, np.arange(60), (), resamples=500, seed=trial)
        claims.append(found.useful.low > 0)
    assert np.mean(claims) <= 0.05


def test_simple_baselines_do_what_they_say():
    last, before = np.array([[2.0, 1.0]]), np.array([[1.0, 1.0]])
    assert persistence(last, 3).tolist() == [[[2, 1], [2, 1], [2, 1]]]
    assert constant_velocity(before, last, 3).tolist() == [[[3, 1], [4, 1], [5, 1]]]


def test_the_linear_model_learns_a_linear_system_and_rolls_it_out_exactly():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(4, 4)) * 0.3, rng.normal(size=(2, 4)), rng.normal(size=4)
    states, actions = rng.normal(size=(2000, 4)) * [1, 100, 0.01, 1], rng.uniform(-1, 1, size=(2000, 2))
    model = LinearDynamics.fit(states, actions, states @ a + actions @ b + c, ridge=1e-12)
    state, plan = rng.normal(size=(5, 4)), rng.uniform(-1, 1, size=(5, H, 2))
    truth = []
    last = state
    for t in range(H):
        last = last @ a + plan[:, t] @ b + c
        truth.append(last)
    np.testing.assert_allclose(model.rollout(state, plan), np.stack(truth, 1), rtol=1e-5, atol=1e-5)


def test_the_linear_model_survives_dimensions_that_never_move():
    states = np.zeros((50, 3))
    states[:, 0] = np.random.default_rng(0).normal(size=50)
    model = LinearDynamics.fit(states, np.zeros((50, 2)), states)
    np.testing.assert_allclose(model.rollout(states[:4], np.zeros((4, 5, 2))), np.repeat(states[:4, None], 5, 1))


def test_shuffled_actions_come_from_another_episode():
    rng = np.random.default_rng(0)
    episode = rng.permutation(np.repeat([3, 8, 9, 11], [10, 4, 3, 3]))
    for _ in range(50):
        chosen = foreign_windows(episode, rng)
        assert (episode[chosen] != episode).all()
        assert sorted(chosen) == list(range(20))
    with pytest.raises(UserError, match="episode 3 holds 3 of 4 windows"):
        foreign_windows(np.array([3, 3, 3, 5]), rng)


def test_over_a_variable_that_never_moves_there_is_no_skill_to_tell():
    still = {"persistence": errors(np.full(H, 0.5)) | {"hand": np.zeros((120, H))}}
    still |= {"linear": still["persistence"], "shuffled": still["persistence"]}
    found = assess(errors(np.full(H, 0.1)), still, episodes_of(), VARIABLES)
    assert found.constant == {"hand"}
    assert np.isnan(found.skill["persistence"]["hand"].value).all()
    assert (found.skill["persistence"][OVERALL].value > 0).all()
    errors_, skills, horizons = imagination_tables({"all": found})
    for table in (skills, horizons):
        row = next(row for row in table.rows if row[1] == "hand")
        assert row[2] == row[3] == "constant", "not minus two thousand million"
    assert "constant" not in str(errors_.rows)


def test_the_last_of_twenty_steps_that_passes_passes_by_chance_in_one_experiment_in_twenty():
    """Of twenty independent steps at their bar the lower bound of one lies above it in 40 % of experiments."""
    rng, claims = np.random.default_rng(0), []
    for _ in range(200):
        data = rng.normal(size=(60, H))
        resampled = resample_counts(60, 1000, rng) @ data / 60
        claims.append(find_horizon(data.mean(0), resampled, above=0.0, n=60, unbroken=False).significant > 0)
    assert np.mean(claims) <= 0.07


def test_the_interval_of_a_horizon_holds_the_step_where_the_truth_crosses():
    rng, hits, truth = np.random.default_rng(1), [], 9.5 - STEPS
    for _ in range(200):
        data = truth + rng.normal(size=(40, 1)) * 6 + 6 * rng.normal(size=(40, H))
        found = find_horizon(data.mean(0), resample_counts(40, 500, rng) @ data / 40, above=0.0, n=40)
        hits.append(found.low <= 9 <= found.high)
    assert np.mean(hits) >= 0.93
