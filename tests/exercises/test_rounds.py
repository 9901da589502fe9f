"""What rounds earned while they were collected, and what others published."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.exercises.point_world import PointExperiment, settings
from wm_lab.exercises.planning.rounds import (
    PUBLISHED,
    returns_after,
    rounds_figure,
    rounds_numbers,
    rounds_of,
    rounds_tables,
)
from wm_lab.experiment.arms import PlanningArm

DATA = {"episodes": 4, "rounds": 2, "round_episodes": 2, "mixture": {"random": 1.0}}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with PointExperiment(settings(tmp_path_factory.mktemp("store"), data=DATA)) as made:
        yield made


def test_each_round_tells_its_steps_so_far_and_what_its_own_episodes_earned(experiment):
    rounds, data = rounds_of(experiment), experiment.data.dataset()
    assert [each.environment_steps for each in rounds] == [80, 120, 160]
    earned = [float(data.episode(e).reward.sum()) for e in (4, 5)]
    assert rounds[1].episode_return == pytest.approx(sum(earned) / 2)
    assert (rounds[1].least, rounds[1].most) == (min(earned), max(earned))
    assert [each["episodes"] for each in rounds_numbers(rounds)] == [4, 2, 2]
    (table,) = rounds_tables(experiment, rounds)
    assert [row[:2] for row in table.rows] == [("first", "80"), ("1", "120"), ("2", "160")]


def test_repeated_actions_count_as_the_environment_steps_that_they_are_beside_published_ones(experiment):
    spec = replace(experiment.task_spec, name="dmc/cartpole_swingup", settings={"action_repeat": 4})
    repeated = SimpleNamespace(data=experiment.data, task_spec=spec, trainings=[experiment])
    rounds = rounds_of(repeated)
    assert [each.environment_steps for each in rounds] == [320, 480, 640]
    _, published = rounds_tables(repeated, rounds)
    assert [row[0] for row in published.rows] == ["TD-MPC2", "DreamerV3", "PlaNet"]
    figure = rounds_figure(repeated, rounds).figure()
    assert figure.axes[0].get_xscale() == "log" and len(figure.axes[0].texts) == len(published.rows)
    assert all([by.steps for by in known] == sorted(by.steps for by in known) for known in PUBLISHED.values())


def test_one_collection_has_no_rounds_to_tell(tmp_path):
    with PointExperiment(settings(tmp_path)) as experiment:
        assert rounds_of(experiment) == [] == rounds_tables(experiment, [])


def test_the_truth_learns_from_no_rounds(tmp_path):
    truth = {"_target_": "wm_lab.tasks.simulator.Simulator"}
    with PointExperiment(settings(tmp_path, data=DATA, model=truth)) as experiment:
        assert rounds_of(experiment) == [] and not experiment.tools.seconds
        assert set(experiment.data.dataset().table.round) == {0}


def test_the_test_is_played_between_rounds_too_where_that_is_asked_for(experiment):
    manifest = experiment.data.manifest(3)
    assert returns_after(experiment, manifest, 0) == {}
    tested = returns_after(experiment, manifest, 5)
    assert sorted(tested) == [0, 2] and tested[0].n == 3
    rounds = rounds_of(experiment, tested)
    assert [each.tested for each in rounds] == [tested[0], None, tested[2]]
    table = rounds_tables(experiment, rounds)[0]
    assert table.columns[-1] == "test after it" and [bool(row[-1]) for row in table.rows] == [True, False, True]
    assert rounds_numbers(rounds)[2]["tested"]["value"] == tested[2].value
    recipes = [experiment.after(2).recipe(), PlanningArm("mpc", experiment.settings, experiment.models.world_model())]
    assert recipes[0] == recipes[1].recipe(), "what the test has played already is not played again"


def test_a_test_between_rounds_reaches_as_far_as_trainings_differ():
    def training(earned: float) -> SimpleNamespace:
        played = SimpleNamespace(episode_return=earned + np.linspace(-1, 1, 20))
        return SimpleNamespace(evaluations=SimpleNamespace(play=lambda *asked: played), after=lambda number: None)

    trainings = [training(earned) for earned in (0.0, 50.0, 100.0)]
    tested = returns_after(SimpleNamespace(data=SimpleNamespace(rounds=1), trainings=trainings), None, 1)
    assert tested[1].low < -50 and tested[1].value == pytest.approx(50) and tested[1].high > 150
    assert tested[1].n == 20
