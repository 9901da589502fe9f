"""Candidates race in validation: rounds are played where they decide something, by who may still win."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.data.toy import PointTask
from tests.evaluation.examples import outcomes, solved
from tests.exercises.test_policy_selection import OPPOSITE, experiment_of
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import freeze
from wm_lab.evaluation.outcomes import Outcomes, joined
from wm_lab.experiment.policy_selection import PolicySelection
from wm_lab.experiment.race import contenders
from wm_lab.experiment.selection_answer import Validation, selection_numbers, selection_table, selection_verdict


def played(name: str, flags: np.ndarray, offset: int = 0) -> Outcomes:
    return outcomes(flags, name, freeze(PointTask().task_spec, len(flags), split="validation", offset=offset))


def race(**flags: np.ndarray) -> dict[str, Outcomes]:
    return {name: played(name, np.asarray(each, bool)) for name, each in flags.items()}


def test_who_is_clearly_behind_falls_out_and_who_may_still_win_plays_on():
    assert contenders(race(bc=solved(8, 24), local=solved(20, 24), wide=solved(22, 24))) == ["local", "wide"]


def test_nobody_plays_on_where_one_is_left():
    assert contenders(race(bc=solved(4, 24), local=solved(20, 24))) == []


@pytest.mark.parametrize("count", [0, 11, 24])
def test_nobody_plays_on_where_all_solve_the_same_episodes(count):
    assert contenders(race(bc=solved(count, 24), local=solved(count, 24), wide=solved(count, 24))) == []


def test_as_many_but_other_episodes_leave_it_open():
    assert contenders(race(bc=solved(12, 24), local=~solved(12, 24))) == ["bc", "local"]


def test_two_rounds_of_one_arm_are_one_table():
    first, second = played("bc", solved(3, 4)), played("bc", solved(1, 4), offset=4)
    both = joined(first, second)
    assert both.success.tolist() == [*solved(3, 4), *solved(1, 4)]
    assert both.manifest == freeze(PointTask().task_spec, 8, split="validation")
    with pytest.raises(UserError):
        joined(first, outcomes(solved(1, 4)))


@pytest.mark.parametrize(("most", "rounds"), [(1, 1), (2, 2), (4, 2)])
def test_rounds_are_played_until_it_is_decided_or_none_is_left(tmp_path, most, rounds):
    """Four episodes tell nobody apart; after eight, whole-box planning in a wrong model is out, the others alike."""
    with experiment_of(tmp_path, speed=OPPOSITE, clone_steps=150) as experiment:
        validation = Validation(4, most, play_on=0, local=True, advised=True)
        (found,) = validation.select([experiment])
        chosen = validation.selected_arm(experiment)
    assert len(list(tmp_path.glob("outcomes/*/recipe.json"))) == rounds * len(found.outcomes)
    assert found.manifest.seeds == freeze(PointTask().task_spec, 4 * rounds, split="validation").seeds
    assert set(selection_numbers(found)["episodes"].values()) == {4 * rounds}
    assert (found.chosen, chosen.name, found.merits["bc"].solved) == ("bc", "selected", 4 * rounds)


def test_who_fell_out_is_told_with_the_episodes_that_it_played():
    later = joined(played("local", solved(24, 24)), played("local", solved(12, 24), offset=24))
    found = PolicySelection({"bc": played("bc", solved(8, 24)), "local": later, "wide": later})
    assert found.chosen == "local"
    sentence = selection_verdict([found])
    assert sentence.startswith("policy selection: local planning 36 of 48 (") and ", the clone 8 of 24: " in sentence
    assert [row[-2] for row in selection_table([found]).rows] == ["24", "48", "48"]
    told = selection_verdict([found, replace(found, outcomes={"bc": found.outcomes["bc"]})])
    assert told.startswith("policy selection: of 2 trainings, on 24 to 48 validation episodes each, ")
