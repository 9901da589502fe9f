"""Labels on a linear system, where the right action is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.toy import SPEED
from tests.synthesis.point_lab import KEEP


def test_inverse_dynamics_read_the_action_off_a_transition(lab):
    episode = lab.collection.episode(int(lab.collection.episodes("validation")[0]))
    frames = lab.step_scale(episode.observation)
    read = lab.inverse(frames[:-1], frames[1:])
    np.testing.assert_allclose(read, episode.action[1:], atol=1e-3)


def test_on_a_demonstration_the_label_is_what_was_demonstrated(lab):
    starts = lab.starts()
    corrective = lab.corrective(starts)
    for k in (0, 3):
        np.testing.assert_allclose(corrective.label(corrective.frame(k), k), corrective.action(k + 1), atol=1e-6)


def test_beside_it_the_label_undoes_the_share_of_the_deviation_that_is_not_kept(lab):
    starts = lab.starts()
    corrective = lab.corrective(starts)
    state = corrective.observation(2)["state"][:, 0].copy()
    off = np.array([0.01, -0.02])
    state[:, :2] += off
    label = corrective.label(lab.step_scale({"state": state}), 2)
    expected = (corrective.action(3) - (1 - KEEP) * off / SPEED).clip(-1, 1)
    np.testing.assert_allclose(label, expected, atol=1e-3)


def test_who_is_ahead_of_the_clock_is_told_what_was_done_where_he_is(lab):
    starts = lab.starts()
    corrective = lab.corrective(starts)
    inside = starts.step + 6 <= lab.demonstrations.table.length[starts.episode]
    assert inside.sum() > 5
    ahead = corrective.frame(5)
    told = corrective.label_alike(ahead, 2)
    np.testing.assert_allclose(told[inside], corrective.action(6)[inside], atol=1e-4)
    assert np.abs(corrective.label(ahead, 2) - told)[inside].max() > 0.1, "by the clock he is to go back"


@pytest.mark.parametrize(("share", "meant"), [(0.3, 2), (0.47, 3), (0.7, 3)])  # at .47 the earlier one is nearer
def test_of_frames_that_are_about_as_alike_the_last_is_meant(lab, share, meant):
    starts = lab.starts()
    corrective = lab.corrective(starts)
    inside = starts.step + 4 <= lab.demonstrations.table.length[starts.episode]
    between = corrective.frame(2) + share * (corrective.frame(3) - corrective.frame(2))
    told, as_meant = corrective.label_alike(between, 2)[inside], corrective.label(between, meant)[inside]
    assert inside.sum() > 5 and np.mean(np.abs(told - as_meant).max(-1) < 1e-6) > 0.9


def test_a_label_is_never_more_than_the_robot_can_do(lab):
    corrective = lab.corrective(lab.starts())
    assert np.abs(corrective.label(corrective.frame(0) + 100.0, 0)).max() == 1.0


def test_after_its_end_a_demonstration_stays_where_it_was(lab):
    starts = lab.starts()
    corrective = lab.corrective(starts)
    last = lab.demonstrations.table.length[starts.episode]
    ends = np.stack([lab.demonstrations.episode(int(e)).state[-1] for e in starts.episode])
    np.testing.assert_allclose(corrective.observation(int(last.max()) + 5)["state"][:, 0], ends)


def test_deviation_is_in_typical_one_step_changes_and_blind_to_what_never_moves(lab):
    corrective = lab.corrective(lab.starts())
    state = corrective.observation(0)["state"][:, 0].copy()
    state[:, 2:4] += 1.0  # the goal, which no demonstration moves
    assert corrective.distance(lab.step_scale({"state": state}), 0) == pytest.approx(0, abs=1e-6)
    state[:, 0] += lab.collection.spec.std_change["state"][0]
    expected = (1 / state.shape[1]) ** 0.5  # one of five numbers is off by one change
    assert corrective.distance(lab.step_scale({"state": state}), 0) == pytest.approx(expected, rel=1e-4)
