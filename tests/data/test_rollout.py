from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from tests.data.toy import SPEED, ConstantPolicy, PointConfig, PointTask, ScriptedPolicy
from wm_lab.data.rollout import Cast, PlayConfig, Player, play, play_side_by_side
from wm_lab.errors import UserError
from wm_lab.policy import Moment, Policy


class RowPolicy(Policy):
    """Draws each row's actions from that row's own stream, and notes what it was shown."""

    observation_keys = ("state", "snapshot")

    def start(self, rows: int) -> None:
        self.streams: dict[int, np.random.Generator] = {}
        self.moments: list[Moment] = []

    def reset(self, row, task, seed):
        self.streams[row] = np.random.default_rng(seed)

    def act(self, moment):
        self.moments.append(moment)
        return np.stack([self.streams[row].uniform(-1, 1, 2) for row in moment.rows]).astype(np.float32)

    def report(self, row):
        return {"row": np.array(row)}


def test_rows_are_aligned_on_arrival():
    (episode,) = play(PointTask, partial(ConstantPolicy, 0.5), [3])
    assert episode.steps == 20
    assert episode.state.shape == (21, 5)
    assert (episode.action[0] == 0).all() and episode.reward[0] == 0
    np.testing.assert_allclose(np.diff(episode.state[:, :2], axis=0), SPEED * episode.action[1:], atol=1e-6)
    distance = np.linalg.norm(episode.state[1:, :2] - episode.state[1:, 2:4], axis=-1)
    np.testing.assert_allclose(episode.reward[1:], -distance, atol=1e-6)
    np.testing.assert_array_equal(episode.success[1:], distance < 0.05)


def test_an_episode_does_not_depend_on_what_plays_beside_it():
    together = play(PointTask, RowPolicy, range(7), PlayConfig(group=4))
    alone = play(PointTask, RowPolicy, range(7), PlayConfig(group=1))
    for a, b in zip(together, alone, strict=True):
        assert a.seed == b.seed
        np.testing.assert_array_equal(a.action, b.action)
        np.testing.assert_array_equal(a.state, b.state)


@pytest.mark.parametrize("workers", [1, 2])
def test_casts_side_by_side_play_as_each_does_alone_and_are_told_when_all_their_groups_are_in(workers):
    casts = [Cast(PointTask, partial(ConstantPolicy, speed), [3, 1, 2], PlayConfig(group=2)) for speed in (0.5, -0.5)]
    told: list[tuple[int, int]] = []
    heard = {}

    def advance(episodes: int, **_: int) -> None:
        told.append((len(heard), episodes))

    def done(index, episodes, seconds):
        assert index not in heard and seconds > 0
        heard[index] = episodes

    play_side_by_side(casts, workers=workers, advance=advance, done=done)
    assert sum(episodes for _, episodes in told) == 6 and len(told) == 4
    for index, cast in enumerate(casts):
        for mine, alone in zip(heard[index], play(*cast), strict=True):
            assert mine.seed == alone.seed
            np.testing.assert_array_equal(mine.state, alone.state)


class GoalPolicy(ConstantPolicy):
    observation_keys = ("state", "goal.state")

    def act(self, moment):
        np.testing.assert_array_equal(moment.observation["goal.state"][:, :2], moment.observation["state"][:, 2:4])
        return super().act(moment)


class PointsAtItsGoal(PointTask):
    def goal_state(self, state):
        return torch.cat([state[2:4], state[2:]])


def test_a_policy_sees_the_goal_of_each_of_its_rows_and_no_record_keeps_it():
    episodes = play(PointsAtItsGoal, partial(GoalPolicy, 0.5), range(3))
    assert {key for episode in episodes for key in episode.observation} == {"state"}


def test_a_goal_that_the_task_does_not_know_is_an_error_that_says_so():
    with pytest.raises(LookupError, match="does not say what its goal looks like"):
        Player(PointTask, GoalPolicy(0.5), PlayConfig())([0])


def test_it_stops_at_the_first_success_or_some_steps_later():
    seeds = range(8)
    whole = play(PointTask, ScriptedPolicy, seeds)
    stopped = play(PointTask, ScriptedPolicy, seeds, PlayConfig(stop_after_success=0))
    later = play(PointTask, ScriptedPolicy, seeds, PlayConfig(stop_after_success=2))
    assert {episode.steps for episode in whole} == {20}
    for a, b, c in zip(whole, stopped, later, strict=True):
        assert b.steps == a.first_success == b.first_success
        assert c.steps == b.steps + 2
        assert b.solved and b.solved_at_end and a.solved_at_end
        np.testing.assert_array_equal(a.state[: b.steps + 1], b.state)


def test_finished_rows_drop_out_and_snapshots_come_on_request():
    policy = RowPolicy()
    episodes = Player(PointTask, policy, PlayConfig(stop_after_success=0, steps=15))(list(range(16)))
    rows = [len(moment.rows) for moment in policy.moments]
    assert rows[0] == 16 and rows == sorted(rows, reverse=True)
    first, second = policy.moments[:2]
    assert first.first.all() and not second.first.any()
    np.testing.assert_array_equal(second.previous_action, [episodes[row].action[1] for row in second.rows])
    np.testing.assert_allclose(first.observation["snapshot"], first.observation["state"], atol=1e-6)
    np.testing.assert_allclose(second.observation["snapshot"], second.observation["state"], atol=1e-6)
    assert first.observation["snapshot"].dtype == np.float64
    assert all("snapshot" not in episode.observation for episode in episodes)  # some hold their whole past
    assert [int(episode.report["row"]) for episode in episodes] == list(range(16))
    assert all(len(episode.milliseconds) == episode.steps for episode in episodes)


def test_a_true_end_is_marked_and_a_time_limit_is_not():
    dying = partial(PointTask, PointConfig(dies_after=4))
    (episode,) = play(dying, ConstantPolicy, [0])
    assert episode.steps == 4 and episode.terminal.tolist() == [False] * 4 + [True]
    (episode,) = play(PointTask, ConstantPolicy, [0])
    assert not episode.terminal.any()


def test_executed_actions_are_within_bounds():
    (episode,) = play(PointTask, partial(ConstantPolicy, 7.0), [0])
    assert (episode.action[1:] == 1.0).all()


def test_an_action_that_is_not_a_number_is_refused_with_its_seed():
    with pytest.raises(UserError, match="step 0 of the episode with seed 11"):
        play(PointTask, partial(ConstantPolicy, np.nan), [11, 12])


def test_a_task_that_starts_solved_is_refused_with_the_seed():
    class Done(PointTask):
        def reset(self, **how):
            return super().reset(**how)[0], {"success": True}

    with pytest.raises(UserError, match=r"toy/point starts solved with seed 3, .*; have its reset draw another start"):
        play(Done, ConstantPolicy, [3])


def test_an_observation_that_the_task_lacks_is_named():
    class Wants(ConstantPolicy):
        observation_keys = ("pixel",)

    blind = partial(PointTask, PointConfig(observation=["pixels"]))
    with pytest.raises(UserError, match=r"'pixel'.*pixels"):
        play(blind, Wants, [0])
    (episode,) = play(blind, ConstantPolicy, [0])
    assert episode.state.shape == (21, 5), "the state is recorded beside the images"
    assert episode.observation["pixels"][:, 0, 0, 0].tolist() == list(range(21))


def test_progress_adds_up():
    told = []
    play(PointTask, ScriptedPolicy, range(20), PlayConfig(group=8), advance=lambda n, **more: told.append((n, more)))
    assert [n for n, _ in told] == [8, 8, 4]
    assert sum(more["steps"] for _, more in told) == 400 and sum(more["solved"] for _, more in told) == 20


@pytest.mark.parametrize("values", [{"group": 0}, {"steps": 0}, {"stop_after_success": -1}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(UserError, match=next(iter(values))):
        PlayConfig(**values)
