from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
import torch

from tests.data.toy import SPEED, ConstantPolicy, PointConfig, PointTask, ScriptedPolicy
from wm_lab.data import window_reader
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.recorded import all_windows
from wm_lab.data.rollout import PlayConfig
from wm_lab.data.windows import WindowSampler, newest_weights
from wm_lab.errors import UserError

CONFIG = DataConfig(episodes=40, round_episodes=10)


def make(folder, number=0, task=PointTask, play=None):
    exploration = CONFIG.round_exploration() if number else CONFIG.exploration()
    seeds = CONFIG.seeds(number)
    return collect(folder, task, ScriptedPolicy, seeds, exploration, round_number=number, config=play, workers=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("windows")
    return make(root / "first"), make(root / "round1", 1)


@pytest.fixture(scope="module")
def dataset(shards):
    return Dataset.open(*shards)


def equal(a, b) -> bool:
    pairs = zip(a.observation.values(), b.observation.values(), strict=True)
    return torch.equal(a.action, b.action) and all(torch.equal(x, y) for x, y in pairs)


def test_windows_are_consecutive_steps_aligned_on_arrival(dataset):
    windows = WindowSampler(dataset, "train", 64, 9, seed=0).sample()
    state = windows.observation["state"]
    assert windows.shape == (64, 9) and windows.valid.all()
    assert torch.allclose(state[:, 1:, :2] - state[:, :-1, :2], SPEED * windows.action[:, 1:], atol=1e-6)
    assert (state[:, 1:, 4] - state[:, :-1, 4] == 1).all(), "no window crosses into another episode"
    arrived = -(state[:, :, :2] - state[:, :, 2:4]).norm(dim=-1)
    assert torch.allclose(windows.reward, torch.where(windows.first, 0.0, arrived), atol=1e-6)


def test_first_is_set_at_true_starts_only(dataset):
    windows = WindowSampler(dataset, "train", 500, 9, seed=0).sample()
    assert torch.equal(windows.first, windows.observation["state"][..., 4] == 0)
    assert windows.first.any()
    assert (windows.action[windows.first] == 0).all()


def test_every_window_of_the_split_is_drawn_alike(dataset):
    sampler = WindowSampler(dataset, "train", 1000, 18, seed=0)
    train = dataset.episodes("train")
    assert sampler.windows == 4 * len(train)
    starts = torch.cat([sampler.sample().observation["state"][:, 0] for _ in range(20)])
    step, counts = starts[:, 4].unique(return_counts=True)
    assert step.tolist() == [0, 1, 2, 3]
    assert counts / counts.sum() == pytest.approx([0.25] * 4, abs=0.02)
    goals = {tuple(goal) for goal in starts[:, 2:4].tolist()}
    assert goals == {tuple(dataset.episode(e).state[0, 2:4].tolist()) for e in train}


def test_a_window_longer_than_every_episode_is_the_whole_episode_padded(dataset):
    windows = WindowSampler(dataset, "train", 100, 25, seed=0).sample()
    assert windows.first[:, 0].all() and windows.valid[:, :21].all() and not windows.valid[:, 21:].any()
    assert not windows.action[:, 21:].any() and not windows.reward[:, 21:].any() and not windows.terminal[:, 21:].any()


def test_the_stream_goes_on_exactly_after_a_resume(dataset):
    sampler = WindowSampler(dataset, "train", 8, 5, seed=3)
    sampler.sample()
    state = sampler.state_dict()
    expected = [sampler.sample() for _ in range(3)]
    again = WindowSampler(dataset, "train", 8, 5, seed=99)
    again.load_state_dict(state)
    assert all(equal(a, again.sample()) for a in expected)
    assert not equal(expected[0], expected[1])


def test_a_resume_on_other_data_is_refused(dataset, shards):
    state = WindowSampler(dataset, "train", 8, 5, seed=3).state_dict()
    with pytest.raises(UserError, match="cannot go on"):
        WindowSampler(Dataset.open(shards[0]), "train", 8, 5, seed=3).load_state_dict(state)


def test_half_of_each_batch_comes_from_the_newest_round(dataset):
    weights = newest_weights(dataset, 0.5)
    assert weights == pytest.approx([0.5, 0.5])
    newest = {tuple(dataset.episode(e).state[0, 2:4].tolist()) for e in np.flatnonzero(dataset.table.round == 1)}
    sampler = WindowSampler(dataset, "train", 10, 5, seed=0, shard_weights=weights)
    for _ in range(20):
        goals = sampler.sample().observation["state"][:, 0, 2:4].tolist()
        assert sum(tuple(goal) in newest for goal in goals) == 5
    only = WindowSampler(dataset, "train", 10, 5, seed=0, shard_weights=[0.0, 1.0])
    assert all(tuple(goal) in newest for goal in only.sample().observation["state"][:, 0, 2:4].tolist())


def test_older_rounds_share_what_the_newest_leaves(shards, tmp_path):
    three = Dataset.open(*shards, make(tmp_path / "round2", 2))
    weights = newest_weights(three, 0.4)
    sizes = [np.count_nonzero(three.table.shard[three.episodes("train")] == k) for k in (0, 1)]
    assert weights == pytest.approx([0.6 * sizes[0] / sum(sizes), 0.6 * sizes[1] / sum(sizes), 0.4])
    assert newest_weights(three, None) is None


def test_short_episodes_are_padded_and_marked(tmp_path):
    dataset = Dataset.open(make(tmp_path / "a", play=PlayConfig(stop_after_success=0)))
    assert len(set(dataset.table.length)) > 3
    windows = WindowSampler(dataset, "train", 200, 15, seed=0).sample()
    assert not windows.valid.all() and windows.valid[:, 0].all()
    count = windows.observation["state"][..., 4]
    assert (count[:, 1:] - count[:, :-1] == windows.valid[:, 1:].float()).all(), "padding repeats the last observation"
    padding = ~windows.valid
    assert (windows.action[padding] == 0).all() and (windows.reward[padding] == 0).all()
    assert (windows.first[padding.any(1), 0]).all(), "only whole short episodes are padded"


def test_terminal_is_not_repeated_by_padding(tmp_path):
    class Ends(PointTask):
        def step(self, action):
            observation, reward, _, truncated, info = super().step(action)
            return observation, reward, info["success"], truncated, info

    dataset = Dataset.open(make(tmp_path / "a", task=Ends))
    windows = WindowSampler(dataset, "train", 300, 15, seed=0).sample()
    assert windows.terminal.sum(1).max() == 1
    last = windows.valid.sum(1) - 1
    ended = windows.terminal.any(1)
    assert ended.any() and windows.terminal[ended, last[ended]].all()


def test_all_windows_come_once_and_in_order_with_what_is_beside_them(dataset):
    parts = list(all_windows(dataset, "validation", 10, 4, batch=5))
    places = [place for part in parts for place in zip(part.episode.tolist(), part.step.tolist(), strict=True)]
    assert places == [(e, s) for e in dataset.episodes("validation").tolist() for s in (0, 4, 8)]
    for part in parts:
        for row, (index, step) in enumerate(zip(part.episode, part.step, strict=True)):
            episode = dataset.episode(index)
            here = slice(step, step + 10)
            np.testing.assert_array_equal(part.state[row], episode.state[here])
            np.testing.assert_array_equal(part.windows.action[row], episode.action[here])
            np.testing.assert_array_equal(part.contact[row], episode.contact[here])
            np.testing.assert_array_equal(part.success[row], episode.success[here])


def test_images_come_from_the_right_frames_of_the_right_shard(tmp_path):
    task = partial(PointTask, PointConfig(observation=["pixels"]))
    dataset = Dataset.open(make(tmp_path / "a", 0, task), make(tmp_path / "b", 1, task))
    windows = WindowSampler(dataset, "train", 32, 6, seed=0, keys=["pixels", "state"]).sample()
    assert windows.observation["pixels"].dtype == torch.uint8
    assert torch.equal(windows.observation["pixels"][..., 1, 1, 0].float(), windows.observation["state"][..., 4])
    assert set(WindowSampler(dataset, "train", 2, 6, seed=0).sample().observation) == {"pixels"}


def test_what_the_data_cannot_give_is_refused_with_the_numbers(dataset):
    with pytest.raises(UserError, match="the test split of 50 episodes is empty"):
        WindowSampler(dataset, "test", 4, 5, seed=0)
    with pytest.raises(UserError, match=r"'pixels'.*state"):
        WindowSampler(dataset, "train", 4, 5, seed=0, keys=["pixels"])
    with pytest.raises(UserError, match="unknown split 'trian'; did you mean train"):
        WindowSampler(dataset, "trian", 4, 5, seed=0)
    with pytest.raises(UserError, match="shard weights"):
        WindowSampler(dataset, "train", 4, 5, seed=0, shard_weights=[1.0])


def test_a_thousand_batches_of_16_windows_of_64_steps_a_second(tmp_path):
    task = partial(PointTask, PointConfig(episode_steps=100))
    dataset = Dataset.open(collect(tmp_path, task, ConstantPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1))
    sampler = WindowSampler(dataset, "train", 16, 64, seed=0)
    best = np.inf
    for _ in range(5):
        begin = time.process_time()
        for _ in range(50):
            sampler.sample()
        best = min(best, time.process_time() - begin)
    assert 50 / best > 1000


def test_columns_larger_than_memory_are_streamed_with_the_same_windows(tmp_path, monkeypatch):
    task = partial(PointTask, PointConfig(observation=["state", "pixels"]))
    folder = make(tmp_path / "shard", task=task, play=PlayConfig(stop_after_success=0))

    def drawn(held: int):
        monkeypatch.setattr(window_reader, "HELD", held)
        data = Dataset.open(folder)
        return data, [WindowSampler(data, "train", 64, length, seed=0).sample() for length in (18, 5)]

    (held, expected), (streamed, found) = drawn(1 << 30), drawn(0)
    assert held._joined and not streamed._joined, "nothing was brought into memory"
    assert not expected[0].valid.all(), "some are padded"
    for a, b in zip(expected, found, strict=True):
        assert equal(a, b) and torch.equal(a.reward, b.reward) and torch.equal(a.terminal, b.terminal)
        assert torch.equal(a.valid, b.valid) and b.observation["pixels"].dtype == torch.uint8


def test_a_share_of_the_episodes_shows_its_actions_and_always_the_same_ones(dataset):
    whole, part = (WindowSampler(dataset, "train", 1000, 5, seed=1, labelled=share).sample() for share in (1.0, 0.3))
    shown = part.action.isfinite().all((-1, -2))
    assert torch.equal(part.action[shown], whole.action[shown]) and part.action[~shown].isnan().all()
    goal = part.observation["state"][:, 0, 2:4]  # an episode's own
    assert not {tuple(g) for g in goal[shown].tolist()} & {tuple(g) for g in goal[~shown].tolist()}
    assert 0.15 < shown.float().mean() < 0.45
