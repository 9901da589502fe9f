from __future__ import annotations

import pytest

from tests.evaluation.examples import outcomes, solved, task_spec
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.nudges import (
    nudge_differences,
    nudged_against_clone,
    nudged_clone_verdicts,
    nudged_name,
    robustness_verdicts,
    undisturbed,
)
from wm_lab.reports.tables import nudged_clone_table, robustness_table


def arms():
    manifest = freeze(task_spec(), 100)
    few = manifest.first(50)
    return {
        "bc": outcomes(solved(90, 100), "bc", manifest),
        "expert": outcomes(solved(100, 100), "expert", manifest),
        nudged_name("bc", "position"): outcomes(solved(49, 50), "bc", few),
        nudged_name("bc", "orientation"): outcomes(solved(12, 50), "bc", few),
        nudged_name("expert", "orientation"): outcomes(solved(40, 50), "expert", few),
    }


def test_a_nudged_arm_is_held_against_itself_on_the_episodes_of_both():
    found = {d.a: d for d in nudge_differences({"toy/push": arms()})}
    worst = found["bc_nudged_orientation"]
    assert (worst.b, worst.difference.n) == ("bc", 50)
    assert (worst.rate_b.value, worst.difference.value) == (1.0, pytest.approx(-0.76)), (
        "the first fifty were all solved"
    )
    assert set(undisturbed(arms())) == {"bc", "expert"}


def test_the_sentence_names_what_an_arm_bears_worst_and_the_table_holds_the_rest():
    found = nudge_differences({"toy/push": arms()})
    (told,) = robustness_verdicts(found, 2)
    assert told.startswith(
        "in this training, after 2 disturbed steps of orientation cloning solves 12 of 50, undisturbed"
    )
    assert " undisturbed 50: 0.76 [0.6" in told and told.endswith(" less.")
    says = {(row[1], row[2]): row[-2] for row in robustness_table(found).rows}
    assert says["bc", "position"] == "cannot tell" and says["bc", "orientation"] == "loses"


def test_an_arm_that_bears_everything_is_not_said_to_lose():
    bears = {name: arm for name, arm in arms().items() if "orientation" not in name}
    (told,) = robustness_verdicts(nudge_differences({"toy/push": bears}), 2)
    assert "of position cloning solves 49 of 50, undisturbed 50: cannot tell a change (-0.02 [" in told


def planned(orientation: int) -> dict:
    few = arms()["bc"].manifest.first(50)
    nudged = {"position": 49, "orientation": orientation}
    return arms() | {
        nudged_name("local", group): outcomes(solved(count, 50), "local", few) for group, count in nudged.items()
    }


def test_planning_is_held_against_the_clone_under_the_same_nudge():
    found = {d.a: d for d in nudged_against_clone({"toy/push": planned(45)})}
    assert set(found) == {"local_nudged_position", "local_nudged_orientation"}, "neither the expert nor who was alone"
    assert found["local_nudged_orientation"].b == "bc_nudged_orientation"
    assert found["local_nudged_orientation"].difference.value == pytest.approx((45 - 12) / 50)
    (told,) = nudged_clone_verdicts(list(found.values()), 2)
    assert told.startswith(
        "in this training, after 2 disturbed steps of orientation local planning solves 0.90 and cloning 0.24: 0.66 ["
    )
    says = [(row[2], row[-2]) for row in nudged_clone_table(list(found.values())).rows]
    assert says == [("position", "cannot tell"), ("orientation", "local")]


def test_where_both_bear_a_nudge_alike_nothing_is_claimed():
    (told,) = nudged_clone_verdicts(nudged_against_clone({"toy/push": planned(12)}), 2)
    assert told == "cannot tell that planning bears 2 disturbed steps better or worse than cloning."
