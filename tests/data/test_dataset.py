from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.data.toy import PointConfig, PointTask, ScriptedPolicy
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.episode import Episode
from wm_lab.data.replay import replay
from wm_lab.data.shard import MANIFEST, write_manifest
from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.data.splits import SPLITS, SplitConfig, assign, count_out, uniform_hash
from wm_lab.data.statistics import FRAMES, METRIC, image_moments
from wm_lab.errors import UserError
from wm_lab.world_model import DataSpec

CONFIG = DataConfig(episodes=60, round_episodes=30)


def make(folder, number=0, task=PointTask):
    exploration = CONFIG.round_exploration() if number else CONFIG.exploration()
    return collect(folder, task, ScriptedPolicy, CONFIG.seeds(number), exploration, round_number=number, workers=1)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    return make(root / "first"), make(root / "round1", 1)


@pytest.fixture
def copy(shards, tmp_path):
    return shutil.copytree(shards[0], tmp_path / "copy")


def test_rounds_are_read_as_one_dataset_and_keep_the_splits(shards):
    alone, both = Dataset.open(shards[0]), Dataset.open(*shards)
    assert (len(alone), len(both)) == (60, 90) and both.rows == 90 * 21
    assert both.table.split[:60].tolist() == alone.table.split.tolist()
    assert both.table.round.tolist() == [0] * 60 + [1] * 30
    assert set(both.table.behaviour[60:]) == {"noisy_policy"}
    np.testing.assert_array_equal(both.episode(75).state, Dataset.open(shards[1]).episode(15).state)
    assert alone.digest != both.digest


def test_the_spread_of_actions_is_that_of_the_training_split_and_counts_no_first_row(shards):
    data = Dataset.open(shards[0])
    played = np.concatenate([data.episode(e).action[1:] for e in data.episodes("train")])
    np.testing.assert_allclose(data.spec.action_std, played.std(0, dtype=np.float64))
    told = data.spec.to_dict()
    assert DataSpec.from_dict(told) == data.spec
    del told["action_std"]
    assert DataSpec.from_dict(told).action_std == [], "as a checkpoint from before it was kept says"


def test_a_split_is_a_function_of_the_episode_seed_alone():
    seeds, config = np.arange(5000), SplitConfig(0.2, 0.1)
    split = assign(seeds, 5000, config)
    assert np.bincount(split) / 5000 == pytest.approx([0.7, 0.2, 0.1], abs=0.02)
    shuffled = np.random.default_rng(0).permutation(seeds)
    np.testing.assert_array_equal(assign(shuffled, 5000, config), split[shuffled])
    other = assign(seeds, 5000, SplitConfig(0.2, 0.1, seed=1))
    assert ((other == 1) & (split == 1)).mean() == pytest.approx(0.04, abs=0.02), "another split seed, another split"


def test_hashes_of_neighbouring_seeds_are_uniform_and_unrelated():
    draw = uniform_hash(np.arange(20000), 0)
    assert np.histogram(draw, 10, (0, 1))[0] / 2000 == pytest.approx(np.ones(10), abs=0.1)
    assert abs(np.corrcoef(draw[:-1], draw[1:])[0, 1]) < 0.03


def test_even_a_tiny_dataset_has_something_to_validate_on():
    for start in range(0, 200, 4):
        split = assign(np.arange(start, start + 4), 4, SplitConfig(0.1, 0.1))
        assert np.count_nonzero(split == 1) >= 1 and np.count_nonzero(split == 2) >= 1


def test_images_of_more_episodes_than_are_looked_at_have_their_mean_too():
    rng = np.random.default_rng(0)
    episodes = [rng.integers(90, 111, (2, 4, 4, 3)).astype(np.uint8) for _ in range(2 * FRAMES)]
    mean, std = image_moments(episodes)
    assert np.abs(np.array(mean) - 100).max() < 1 and abs(std[0] - np.std(np.arange(90, 111))) < 0.2


def test_statistics_are_those_of_the_training_episodes(shards):
    dataset = Dataset.open(*shards, split=SplitConfig(0.4))
    train = [dataset.episode(e) for e in dataset.episodes("train")]
    assert 30 < len(train) < 75
    state = np.concatenate([e.state for e in train]).astype(np.float64)
    change = np.concatenate([np.diff(e.state.astype(np.float64), axis=0) for e in train])
    reward = np.concatenate([e.reward[1:] for e in train]).astype(np.float64)
    spec = dataset.spec
    assert spec.mean["state"] == pytest.approx(state.mean(0), rel=1e-6)
    assert spec.std["state"] == pytest.approx(state.std(0), rel=1e-6)
    assert spec.std_change["state"][:2] == pytest.approx(np.sqrt((change[:, :2] ** 2).mean(0)), rel=1e-6)
    assert spec.std_change["state"][2:] == pytest.approx([METRIC.change, METRIC.change, 1.0])
    assert (spec.mean["reward"], spec.std["reward"]) == (
        pytest.approx([reward.mean()], rel=1e-6),
        pytest.approx([reward.std()], rel=1e-6),
    )
    assert type(spec).from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_dimension_that_never_moves_is_not_divided_by_zero(copy):
    state = np.load(copy / "observation.state.npy")
    state[:, 0] = 0.1
    np.save(copy / "observation.state.npy", state)
    write_manifest(copy, PointTask().task_spec, ["expert"] * 3, {})
    assert Dataset.open(copy).spec.std["state"][0] == METRIC.std


@pytest.mark.parametrize("name", ["observation.state", "action", "episode.seed"])
def test_a_flipped_bit_is_refused_by_name(copy, name):
    path = copy / f"{name}.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{name}.npy is damaged"):
        Dataset.open(copy)


def test_what_is_too_large_to_check_at_opening_is_checked_by_verify(copy):
    path = copy / "observation.state.npy"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    dataset = Dataset.open(copy, verify_up_to=1000)
    with pytest.raises(UserError, match=r"observation.state.npy is damaged"):
        dataset.verify()


def test_a_truncated_file_is_refused_by_name_even_unchecked(copy):
    path = copy / "reward.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"reward.npy is damaged: \d+ bytes"):
        Dataset.open(copy, verify_up_to=0)


def test_a_missing_file_and_a_missing_manifest_entry_are_named(copy):
    manifest = json.loads((copy / MANIFEST).read_text())
    del manifest["columns"]["contact"]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"columns\.contact"):
        Dataset.open(copy)
    (copy / "action.npy").unlink()
    manifest["columns"]["contact"] = manifest["columns"]["success"]
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"action.npy is missing"):
        Dataset.open(copy)


def test_folders_that_are_no_dataset_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no dataset"):
        Dataset.open(tmp_path / "nowhere")
    with pytest.raises(UserError, match="never finished"):
        Dataset.open(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(UserError, match="does not describe"):
        Dataset.open(tmp_path)
    (tmp_path / MANIFEST).write_text('{"format": "wm_lab shard", "revision": 99}')
    with pytest.raises(UserError, match="revision 99"):
        Dataset.open(tmp_path)
    (tmp_path / MANIFEST).write_bytes(b"\xff\x00{")
    with pytest.raises(UserError, match="damaged"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"physics": "point 2"}, "physics differ, 'point 1' and 'point 2'"),
        ({"tolerance": 0.01}, "settings differ"),
        ({"observation": ["pixels"]}, "observation differ"),
    ],
)
def test_shards_of_different_tasks_are_not_mixed(shards, tmp_path, change, message):
    other = make(tmp_path / "other", 1, partial(PointTask, PointConfig(**change)))
    with pytest.raises(UserError, match=message):
        Dataset.open(shards[0], other)


def test_replay_finds_the_simulator_state_of_any_step(shards):
    dataset = Dataset.open(*shards)
    task = PointTask()
    for index in (3, 80):
        episode = dataset.episode(index)
        snapshots = replay(task, dataset.task_spec, episode, [20, 0, 7])
        for step, snapshot in zip([20, 0, 7], snapshots, strict=True):
            task.restore(snapshot)
            np.testing.assert_array_equal(task.state(), episode.state[step])


def test_replay_on_other_physics_says_so(shards):
    class Drifting(PointTask):
        def step(self, action):
            self.position = self.position + 1e-4
            return super().step(action)

    dataset = Dataset.open(shards[0])
    with pytest.raises(UserError, match=r"after 1 actions.*point 1.*point 2"):
        replay(Drifting(PointConfig(physics="point 2")), dataset.task_spec, dataset.episode(0), [5])


def test_a_million_steps_open_in_a_second(tmp_path):
    episodes, length, size, task_spec = 10_000, 100, 35, PointTask().task_spec
    rows = episodes * (length + 1)
    columns = {
        "observation.state": np.zeros((rows, size), np.float32),
        "action": np.zeros((rows, 7), np.float32),
        "reward": np.zeros(rows, np.float32),
        **{name: np.zeros(rows, bool) for name in ("success", "contact", "terminal")},
        "episode.offset": np.arange(episodes) * (length + 1),
        "episode.length": np.full(episodes, length, np.int32),
        "episode.seed": np.arange(episodes),
        "episode.behaviour": np.zeros(episodes, np.int16),
        "episode.strength": np.zeros(episodes, np.float32),
        "episode.round": np.zeros(episodes, np.int16),
    }
    for name, column in columns.items():
        np.save(tmp_path / f"{name}.npy", column)
    write_manifest(tmp_path, replace(task_spec, observation={"state": (size,)}, action_size=7), ["expert"], {})
    begin = time.process_time()
    dataset = Dataset.open(tmp_path)
    assert time.process_time() - begin < 1.0
    assert dataset.rows == rows


def test_a_recording_s_episodes_are_counted_out():
    for count in (2, 3, 10, 50, 400):
        solved = np.arange(count) % 5 == 0
        split = count_out(solved, 7, SplitConfig(0.1, 0.2))
        asked = [max(1, round(share * count)) for share in (0.1, 0.2)]
        if count > 3:
            assert [(split == i).sum() for i in (1, 2)] == asked
            for i, share in ((1, 0.1), (2, 0.2)):
                assert abs(solved[split == i].sum() - share * solved.sum()) <= 1, "as many solved as elsewhere"
        assert (split == 0).any() and (split == 1).any()
        np.testing.assert_array_equal(split, count_out(solved, 7, SplitConfig(0.1, 0.2)))
    assert not count_out(np.zeros(10, bool), 7, SplitConfig(0.0, 0.0)).any()


def test_two_recordings_hold_out_different_episodes():
    held = [set(np.flatnonzero(count_out(np.zeros(100, bool), name, SplitConfig(0.2)))) for name in range(30)]
    shared = [len(a & b) for i, a in enumerate(held) for b in held[:i]]
    assert np.mean(shared) == pytest.approx(4, abs=1), "20 of 100 each, drawn independently"


def test_an_imported_dataset_is_split_by_count_and_by_what_it_holds(tmp_path):
    splits = []
    for first in (0.0, 0.5):
        folder = tmp_path / f"{first}"
        folder.mkdir()
        writer = ShardWriter(folder, 50 * 4)
        for seed in range(50):
            action = np.full((4, 2), first + seed / 200, np.float32)
            flag = np.array([False, False, False, seed < 10])
            state = {"state": np.zeros((4, 5), np.float32)}
            writer.append(step_columns([Episode(seed, state, action, np.zeros(4, np.float32), flag, flag, flag)]))
        writer.finish(
            [3] * 50, {"seed": np.arange(50)}, PointTask().task_spec, ["recorded"], {"imported": {"format": "toy"}}
        )
        data = Dataset.open(folder, split=SplitConfig(0.1, 0.2))
        assert [len(data.episodes(name)) for name in SPLITS] == [35, 5, 10]
        assert [(data.episodes(name) < 10).sum() for name in SPLITS] == [7, 1, 2]
        assert data.table.split.tolist() == Dataset.open(folder, split=SplitConfig(0.1, 0.2)).table.split.tolist()
        splits.append(data.table.split.tolist())
    assert splits[0] != splits[1]
