"""The rule of alignment, on sequences small enough to be written out."""

from __future__ import annotations

import numpy as np
import pytest

from wm_lab.formats.alignment import RecordedEpisode, Unreadable

SHAPES = {"state": (1,)}
ACTION = np.array([[0.1], [0.2], [0.3], [0.4]], np.float32)


def frames(observations, **told):
    seen = np.arange(observations, dtype=np.float32)[:, None]
    return RecordedEpisode({"state": seen}, ACTION, **{name: np.array(values) for name, values in told.items()})


def column(values):
    return [round(float(value), 6) for value in np.ravel(values)]


def test_with_an_observation_after_the_last_action_everything_arrives_one_row_later():
    episode = frames(5, reward=[1.0, 2.0, 3.0, 4.0], success=[0, 0, 1, 0], terminal=[0, 0, 0, 1]).arrive(7, SHAPES)
    assert episode.seed == 7
    assert column(episode.state) == [0, 1, 2, 3, 4]
    assert column(episode.action) == [0, 0.1, 0.2, 0.3, 0.4]
    assert column(episode.reward) == [0, 1, 2, 3, 4]
    assert episode.success.tolist() == [False, False, False, True, False]
    assert episode.terminal.tolist() == [False, False, False, False, True]


def test_without_one_the_last_action_is_left_out_and_its_flags_count_for_the_last_observation():
    episode = frames(4, success=[0, 0, 0, 1], contact=[0, 1, 0, 0], terminal=[0, 0, 0, 1]).arrive(0, SHAPES)
    assert column(episode.state) == [0, 1, 2, 3]
    assert column(episode.action) == [0, 0.1, 0.2, 0.3]
    assert episode.success.tolist() == [False, False, False, True]
    assert episode.contact.tolist() == [False, False, True, False]
    assert episode.terminal.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("recorded", "arrived"),
    [
        ([0, 0, 0, 1], [0, 0, 0, 1]),  # paid once, at the end: kept
        ([0, 0, 0, -1], [0, 0, 0, -1]),
        ([0, 0, 1, 0], [0, 0, 0, 1]),  # paid one step earlier: kept too
        ([0, 1, 1, 1], [0, 0, 1, 1]),  # paid at every step: never two at once
        ([-4, -3, -2, -1], [0, -4, -3, -2]),  # a distance that shrinks: the observation's own
        ([0.1, 0.2, 0.3, 100], [0, 0.1, 0.2, 100]),
    ],
)
def test_a_last_reward_whose_outcome_was_not_seen_is_neither_lost_nor_added(recorded, arrived):
    assert column(frames(4, reward=recorded).arrive(0, SHAPES).reward) == column(arrived)


def test_a_column_of_rewards_is_as_good_as_a_row():
    told = {"reward": [[1.0], [2.0], [3.0], [4.0]], "success": [[0], [0], [0], [1]]}
    episode = frames(5, **told).arrive(0, SHAPES)
    assert column(episode.reward) == [0, 1, 2, 3, 4] and episode.success.tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (frames(3), "3 observations of state and 4 actions"),
        (frames(6), "6 observations of state and 4 actions"),
        (frames(4, reward=[1.0, 2.0, 3.0]), r"rewards of \[3\] for 4 actions"),
        (frames(4, reward=np.zeros((4, 2))), r"rewards of \[4, 2\] for 4 actions"),
        (frames(4, success=[True]), "flags of success"),
        (RecordedEpisode({"state": np.zeros((4, 2))}, ACTION), r"state of \[2\], where others have \[1\]"),
        (RecordedEpisode({"state": np.zeros((1, 1))}, ACTION[:1]), "one observation"),
        (RecordedEpisode({"state": np.zeros((1, 1))}, ACTION[:0]), "no actions"),
        (
            RecordedEpisode({"state": np.zeros((4, 1)), "top": np.zeros((5, 1))}, ACTION),
            "4 observations of some keys and 5",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_told(broken, said):
    with pytest.raises(Unreadable, match=said):
        broken.arrive(0, SHAPES | {"top": (1,)})
