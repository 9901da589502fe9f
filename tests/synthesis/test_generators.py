"""Segments of the point mass: what they claim can be checked against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.toy import SPEED, PointConfig, PointTask
from tests.synthesis.point_lab import KEEP, GoalTask, positions
from wm_lab.errors import UserError
from wm_lab.settings import read_config
from wm_lab.synthesis.audit import true_error
from wm_lab.synthesis.generators import GENERATORS, GeneratorConfig
from wm_lab.synthesis.hindsight import Hindsight
from wm_lab.synthesis.labels import ALIKE, NEAR
from wm_lab.synthesis.relocate import require_relocatable
from wm_lab.synthesis.world import SimulatedWorld


@pytest.fixture(params=["imagined", "actual"])
def world(request, lab):
    """The truth behind either kind of world: this model is perfect."""
    return lab.imagined() if request.param == "imagined" else SimulatedWorld(GoalTask())


def deviation(lab, segments, before: int) -> np.ndarray:
    """[M, L + 1] metres from the demonstration."""
    corrective, x = lab.corrective(segments.starts), positions(segments)
    to = [corrective.observation(before + k)["state"][:, 0, :2] for k in range(x.shape[1])]
    return np.linalg.norm(x - np.stack(to, axis=1), axis=-1)


def test_recovery_returns_and_its_labels_are_the_executed_actions(lab, world):
    segments = lab.make(world, deviate=4, steps=6)
    off = deviation(lab, segments, before=4)
    far = off[:, 0] > 0.02
    assert far.sum() > 20
    assert (np.diff(off[far], axis=1) < 1e-4).all(), "no step leads away again"
    # where the demonstration itself moves at full speed, nobody behind it can catch up
    assert (off[far, -1] < 0.5 * off[far, 0]).mean() > 0.7
    assert segments.labels is segments.executed
    moved = np.diff(positions(segments), axis=1) / SPEED
    np.testing.assert_allclose(moved, segments.labels, atol=1e-4)


def test_a_recovery_that_kept_over_half_of_its_deviation_and_is_not_close_did_not_return(lab, world):
    segments = lab.make(world, deviate=4, steps=6)
    corrective, frames = lab.corrective(segments.starts), lab.step_scale(segments.observation)
    off, left = corrective.distance(frames[:, 0], 4), corrective.distance(frames[:, -1], 10)
    np.testing.assert_array_equal(segments.achieved, left <= np.maximum(0.5 * off, 0.5))
    assert 0 < segments.achieved.sum() < len(segments)


def test_only_the_way_back_is_kept(lab, world):
    segments = lab.make(world, deviate=4, steps=6)
    real = np.stack([lab.demonstrations.episode(int(e)).state for e in segments.starts.episode[:1]])
    start = real[0, segments.starts.step[0], :2]
    expected = start + SPEED * segments.before[0].sum(0)
    np.testing.assert_allclose(positions(segments)[0, 0], expected, atol=1e-5)
    assert segments.before.shape == (40, 4, 2) and segments.labels.shape == (40, 6, 2)


@pytest.mark.parametrize("kind", ["noisy", "relocate"])
def test_noisy_segments_are_labelled_by_the_way_back_never_by_the_noisy_action(lab, world, kind):
    segments = lab.make(world, kind=kind, steps=5)
    np.testing.assert_allclose(np.diff(positions(segments), axis=1) / SPEED, segments.executed, atol=1e-4)
    moves = [0, 1, 4]  # the goal stands still
    unit = np.array(lab.collection.spec.std_change["state"])[moves]
    episodes, row = segments.starts.recorded(lab.demonstrations)
    for m, start in enumerate(segments.starts.step):
        episode = episodes[row[m]]
        for k in range(5):
            x, d = segments.observation["state"][m, k], episode.state
            around = np.abs(np.arange(len(d)) - min(start + k, len(d) - 1)) <= NEAR
            apart = np.where(around, np.linalg.norm((x - d)[:, moves] / unit, axis=-1), np.inf)
            j = np.flatnonzero(apart <= ALIKE * apart.min())[-1]
            if j < episode.steps:  # past the end of a demonstration there is no demonstrated action to compare with
                expected = (episode.action[j + 1] - (1 - KEEP) * (x - d[j])[:2] / SPEED).clip(-1, 1)
                np.testing.assert_allclose(segments.labels[m, k], expected, atol=2e-3)
    assert np.abs(segments.labels - segments.executed).mean() > 0.05


def test_every_relocated_segment_departs_from_the_demonstration_at_its_own_place(lab, world):
    segments = lab.make(world, kind="relocate", steps=5)
    starts = segments.starts
    for m in range(len(segments)):
        real = lab.demonstrations.episode(int(starts.episode[m])).state[starts.step[m]]
        np.testing.assert_array_equal(segments.observation["state"][m, 0], starts.motion[m].state(real))
    assert len(np.unique(segments.observation["state"][:, 0, 2])) == len(segments), "no two goals are the same"


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (PointTask(), "does not say where else an episode could happen; choose exercise.generator.kind=noisy"),
        (
            GoalTask(PointConfig(observation=["state", "pixels"])),
            r"only states .* toy/point shows \['state', 'pixels'\]",
        ),
    ],
)
def test_a_task_whose_episodes_cannot_be_relocated_is_refused(task, sentence):
    with pytest.raises(UserError, match=sentence):
        require_relocatable(task)


def test_planned_segments_are_short_and_head_for_the_goal(lab, world):
    segments = lab.make(world, kind="planner", steps=20, count=6)
    assert segments.labels.shape[1] == 5 and segments.labels is segments.executed
    goal = segments.observation["state"][:, 0, 2:4]
    before, after = (np.linalg.norm(positions(segments)[:, k] - goal, axis=-1) for k in (0, -1))
    far = before > 0.15
    assert far.any() and (after[far] < before[far]).all()


def test_a_planner_that_is_only_shown_the_goal_goes_there(lab, world):
    shown = {"reward": 0.0, "goal_distance": 1.0}
    segments = lab.make(world, kind="planner", steps=20, count=6, objective=shown)
    goal = segments.observation["state"][:, 0, 2:4]
    before, after = (np.linalg.norm(positions(segments)[:, k] - goal, axis=-1) for k in (0, -1))
    far = before > 0.15
    assert far.any() and (after[far] < before[far]).all()


def test_in_hindsight_the_goal_is_what_was_reached(lab, world):
    segments = lab.make(world, kind="hindsight", steps=6)
    state = segments.observation["state"]
    np.testing.assert_array_equal(state[:, :, 2:4], np.repeat(state[:, -1:, :2], 7, axis=1))
    assert segments.labels is segments.executed
    moved = np.linalg.norm(state[:, -1, :2] - state[:, 0, :2], axis=-1)
    np.testing.assert_array_equal(segments.achieved, moved > 0.05)
    error = true_error(segments, lab.demonstrations, PointTask(), lab.step_scale, slice(2, 4))
    assert error.max() < 1e-5


def test_a_task_that_does_not_say_what_its_goal_is_has_no_hindsight():
    with pytest.raises(UserError, match=r"does not say what its goal looks like.*generator.kind=recovery"):
        Hindsight(PointTask())


@pytest.mark.parametrize("kind", GENERATORS)
def test_the_true_simulator_has_no_error_and_the_same_seed_gives_the_same_data(lab, kind):
    segments, again = (lab.make(SimulatedWorld(GoalTask()), kind=kind, count=8) for _ in range(2))
    other = lab.make(SimulatedWorld(GoalTask()), kind=kind, count=8, seed=1)
    goal = slice(2, 4) if kind == "hindsight" else None
    assert true_error(segments, lab.demonstrations, PointTask(), lab.step_scale, goal).max() == 0
    np.testing.assert_array_equal(segments.labels, again.labels)
    np.testing.assert_array_equal(segments.observation["state"], again.observation["state"])
    assert not np.array_equal(segments.labels, other.labels)


def test_a_wrong_model_is_wrong_by_as_much_as_it_was_made_to_be(lab):
    """At half the true speed it lags behind by half of the way, counted from the real start."""
    segments = lab.make(lab.imagined(speed=SPEED / 2), deviate=2, steps=3)
    error = true_error(segments, lab.demonstrations, PointTask(), lab.step_scale)
    way = np.concatenate([segments.before, segments.executed], axis=1).cumsum(1)[:, 2:]
    lag = SPEED / 2 * way / np.array(lab.collection.spec.std["state"])[:2]
    expected = np.sqrt(np.square(lag).sum(-1).mean(1) / 5)
    np.testing.assert_allclose(error, expected, rtol=1e-3)


def test_starts_are_training_steps_from_which_something_was_demonstrated(lab):
    starts, table = lab.starts(500), lab.demonstrations.table
    assert set(starts.episode) == set(lab.demonstrations.episodes("train"))
    assert (starts.step >= 0).all() and (starts.step < table.length[starts.episode]).all()
    assert starts.step.min() == 0 and (starts.step == table.length[starts.episode] - 1).any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"kind": "dream"}, "unknown exercise.generator.kind 'dream'"),
        ({"steps": 0}, "generator.steps=0"),
        ({"strength": 0.0}, "generator.strength=0.0"),
        ({"keep": 1.0}, r"generator.keep=1.0 must be"),
    ],
)
def test_options_without_sense_are_refused(options, sentence):
    with pytest.raises(UserError, match=sentence):
        read_config(GeneratorConfig, options, "exercise.generator")


def test_the_earlier_name_of_a_generator_is_answered():
    with pytest.raises(UserError, match=r"exercise.generator.kind=elsewhere is called relocate now"):
        GeneratorConfig(kind="elsewhere")
