"""Goals from held-out episodes: who is asked to go where, what comes of it, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.exercises.hand_lab import changed, check, settings
from wm_lab.errors import UserError
from wm_lab.evaluation.manifest import COLLECTION_SEEDS
from wm_lab.exercises.exercise import Exercise
from wm_lab.experiment.experiment import Experiment
from wm_lab.experiment.goal_protocol import Protocol, freeze_goals, pairs
from wm_lab.settings import build
from wm_lab.tasks.recorded_goals import RecordedGoalsTask
from wm_lab.tasks.two_room import TwoRoomConfig, TwoRoomTask

ROOMS = ("exercise=goals", "task=swm/two_room", "objective=goal")
SMALL = (*ROOMS, "exercise.protocol=10/20", "task.planning.horizon=10", "task.planning.execute=10", "media=false")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory):
    wanted = settings(*SMALL, "task.observation=pixels", "exercise.episodes=6")
    with Experiment(changed(wanted, tmp_path_factory.mktemp("store"))) as experiment:
        yield experiment


@pytest.mark.parametrize(("told", "offset", "budget"), [("25/50", 25, 50), ("any/100", None, 100)])
def test_a_protocol_says_how_far_goals_are_and_how_long_one_may_take(told, offset, budget):
    assert Protocol.read(told) == Protocol(offset, budget)
    assert str(Protocol.read(told)) == told


@pytest.mark.parametrize(("steps", "protocol"), [(200, "25/50"), (50, "25/50"), (30, "15/30")])
def test_where_none_is_asked_for_it_is_the_peers_or_as_long_as_an_episode(steps, protocol):
    assert str(Protocol.fitting(steps)) == protocol


def test_short_episodes_of_smoke_can_be_asked_for_goals():
    check(settings("exercise=goals", "task=hand/reach", "objective=goal"))


@pytest.mark.parametrize("told", ["25", "0/50", "25/0", "near/50", "25/50/5", "-1/50", "10/00"])
def test_what_is_no_protocol_is_refused(told):
    with pytest.raises(UserError, match="OFFSET/BUDGET"):
        Protocol.read(told)


def test_starts_and_goals_are_moments_of_one_episode_that_nobody_learned_from(experiment):
    protocol = Protocol.read("10/20")
    frozen = freeze_goals(experiment.tools, experiment.data, protocol, 6)
    held, task = experiment.data.unseen(6), frozen.world()
    assert min(held.table.seed) > max(COLLECTION_SEEDS)
    states = {int(e): held.episode(int(e)) for e in held.episodes("all")}
    for seed in frozen.manifest.seeds:
        seen, _ = task.reset(seed=seed)
        here, goal = task.state()[:2], task.goal_observation()
        found = [
            t
            for episode in states.values()
            for t in range(episode.steps + 1 - 10)
            if np.array_equal(episode.state[t, :2], here)
            and np.array_equal(episode.state[t + 10, :2], goal["state"][:2])
            and np.array_equal(episode.observation["pixels"][t], seen["pixels"])
            and np.array_equal(episode.observation["pixels"][t + 10], goal["pixels"])
        ]
        assert found
        np.testing.assert_array_equal(task.state()[2:], goal["state"][:2])  # success is of this goal
        assert not task.step(np.zeros(2))[4]["success"]
    assert frozen.counts.solved > 0  # moments without anything to do were drawn, and left out


def test_the_same_starts_are_frozen_again_and_others_are_another_manifest(experiment):
    first, again, other = (
        freeze_goals(experiment.tools, experiment.data, Protocol.read(told), 6) for told in ("10/20", "10/20", "any/20")
    )
    assert first.manifest == again.manifest != other.manifest
    assert first.manifest.first(2).hash != first.manifest.hash


def test_a_budget_counts_from_the_start_and_not_from_where_the_recording_began(experiment):
    task = freeze_goals(experiment.tools, experiment.data, Protocol.read("10/20"), 6).world()
    steps = task.task_spec.episode_steps
    task.reset(seed=int(task._starts.seed[0]))
    ended = [task.step(np.zeros(2))[3] for _ in range(steps)]
    assert ended == [False] * (steps - 1) + [True]


def test_goals_of_another_size_are_refused(experiment):
    frozen = freeze_goals(experiment.tools, experiment.data, Protocol.read("10/20"), 6)
    starts = frozen.world()._starts
    with pytest.raises(UserError, match=r"pixels of shape \[32, 32, 3\], and the recorded goals have \[64, 64, 3\]"):
        RecordedGoalsTask(TwoRoomTask(TwoRoomConfig(observation="pixels", image_size=32)), starts, {})
    without = replace(starts, goal={"state": starts.goal["state"]})
    with pytest.raises(UserError, match="the recorded goals have none"):
        RecordedGoalsTask(TwoRoomTask(TwoRoomConfig(observation="pixels")), without, {})


def test_no_held_out_episode_long_enough_is_an_error_that_says_how_long_they_are(experiment):
    held = experiment.data.unseen(6)
    longest = int(held.table.length.max())
    with pytest.raises(UserError, match=rf"at least {longest + 1} steps, and the longest of 6 has {longest}"):
        next(pairs(held, Protocol(longest + 1, 10), np.random.default_rng(0)))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("objective=reward",), "exercise=goals plans towards .* choose objective=goal"),
        (("exercise.protocol=500/50",), "an offset of 500 steps, and an episode of swm/two_room has 200"),
        (("exercise.protocol=25/500",), "a budget of 500 steps"),
        (("task=hand/stack", "exercise.protocol=5/10"), "its blocks would have to stand on one another"),
        (("task=hand/reach", "exercise.protocol=5/10", "evaluation.variation=physics"), "exercise=goals looks at"),
        (("exercise.oracle_episodes=1",), "exercise.oracle_episodes=1 is too few"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(tmp_path, words, sentence):
    with pytest.raises(UserError, match=sentence):
        check(changed(settings(*ROOMS, "model=simulator", *words), tmp_path))
    assert not list(tmp_path.iterdir())


def test_everybody_goes_to_the_same_goals(tmp_path):
    words = ("model=simulator", "exercise.episodes=6", "exercise.oracle_episodes=2")
    wanted = changed(settings(*SMALL, *words), tmp_path)
    with Experiment(wanted) as experiment:
        exercise = build(Exercise, wanted.exercise, "exercise")
        exercise.check(experiment)
        answer = exercise.run(experiment)
    rows = {row["arm"]: row for row in answer.numbers["rows"]}
    assert set(rows) == {"expert", "random", "noop", "straight", "gcbc", "mpc", "simulator"}
    assert rows["expert"]["success"]["value"] == 1
    assert rows["mpc"]["success"]["value"] == 1  # the true dynamics, by how the goal looks
    assert rows["noop"]["success"]["value"] == 0
    assert len({outcomes[0].manifest.hash for name, outcomes in answer.outcomes.items() if name != "simulator"}) == 1
    assert "6 starts and goals, 10 steps apart in" in answer.verdicts[-1]
