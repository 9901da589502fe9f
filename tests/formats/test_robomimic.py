"""robomimic's HDF5 layout, written by h5py alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.extras import need
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.formats.convert import import_dataset
from wm_lab.formats.robomimic import Robomimic
from wm_lab.formats.source import Wishes

h5py = need("h5py", "hdf5")

LENGTHS = {"demo_0": 6, "demo_10": 4, "demo_2": 5}  # by their numbers the last is the second


def write(path, *, next_obs=True, shaping=False, hz=20):
    rng = np.random.default_rng(0)
    truth = {}
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        kwargs = {"reward_shaping": shaping} | ({"control_freq": hz} if hz else {})
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_version": "1.4", "env_kwargs": kwargs})
        for name, length in LENGTHS.items():
            seen = {"eef_pos": rng.normal(size=(length + 1, 3)), "gripper": rng.normal(size=(length + 1, 2))}
            seen["agentview_image"] = rng.integers(0, 255, (length + 1, 8, 8, 3), np.uint8)
            told = {"actions": rng.uniform(-1, 1, (length, 4)), "rewards": (np.arange(length) == length - 1) * 1.0}
            truth[name] = seen | told
            demo = data.create_group(name)
            for key, values in told.items():
                demo[key] = values
            for key, values in seen.items():
                demo[f"obs/{key}"] = values[:-1]
                if next_obs:
                    demo[f"next_obs/{key}"] = values[1:]
    return truth


@pytest.mark.parametrize("next_obs", [True, False])
def test_episodes_come_in_the_order_of_their_numbers_and_keep_what_was_seen(tmp_path, next_obs):
    truth = write(tmp_path / "lift.hdf5", next_obs=next_obs)
    data = Dataset.open(import_dataset(Robomimic(tmp_path / "lift.hdf5", Wishes()), tmp_path / "ours"))
    assert data.table.length.tolist() == [n - (not next_obs) for n in (6, 5, 4)]
    demo, episode = truth["demo_2"], data.episode(1)
    rows = episode.steps + 1
    state = np.concatenate([demo["eef_pos"], demo["gripper"]], 1).astype(np.float32)
    np.testing.assert_array_equal(episode.state, state[:rows])
    np.testing.assert_array_equal(episode.observation["agentview_image"], demo["agentview_image"][:rows])
    np.testing.assert_array_equal(episode.action[1:], demo["actions"][: rows - 1].astype(np.float32))


def test_the_card_says_what_env_args_say(tmp_path):
    write(tmp_path / "lift.hdf5")
    task_spec = Robomimic(tmp_path / "lift.hdf5", Wishes()).task_spec
    assert (task_spec.name, task_spec.control_hz, task_spec.physics) == ("recorded/lift", 20, "Lift 1.4, as recorded")
    assert [v.name for v in task_spec.variables] == ["eef_pos", "gripper"]


def test_a_sparse_reward_is_a_success_and_a_shaped_one_is_not(tmp_path):
    for shaping, solved in ((False, [True] * 3), (True, [False] * 3)):
        write(tmp_path / "lift.hdf5", shaping=shaping)
        assert [e.solved for e in Robomimic(tmp_path / "lift.hdf5", Wishes()).episodes()] == solved


def test_what_is_damaged_or_lacking_is_told(tmp_path):
    path = tmp_path / "lift.hdf5"
    write(path, hz=None)
    with pytest.raises(UserError, match="say it with --hz"):
        Robomimic(path, Wishes())
    write(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"lift\.hdf5 is damaged"):
        Robomimic(path, Wishes())
    with h5py.File(path, "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 2))
    with pytest.raises(UserError, match=r"episode 0 \(demo_0\) of .* lacks obs .*dataset_states_to_obs"):
        Robomimic(path, Wishes())
    with h5py.File(path, "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(UserError, match="lacks data; it is not of robomimic's layout"):
        Robomimic(path, Wishes())


SEEN = np.arange(5.0)[:, None] * [1, 10]  # [5, 2]: what four actions go through
PAID = np.array([0.0, 0.0, 0.0, 1.0])


def small(path, seen, *, after=False, success=None, **arrays):
    """One demonstration of four actions, of which `seen` rows of observations were kept."""
    with h5py.File(path, "w") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"], demo["rewards"], demo["dones"] = np.arange(4.0)[:, None] / 10, PAID, PAID
        demo["obs/eef"] = SEEN[:seen]
        if after:
            demo["next_obs/eef"] = SEEN[1:]
        if success is not None:
            demo.attrs["success"] = success
        for name, values in arrays.items():
            demo[name.replace("__", "/")] = values
    return Robomimic(path, Wishes(hz=20))


@pytest.mark.parametrize(
    ("seen", "after", "rows"), [(4, False, 4), (4, True, 5), (5, False, 5), (5, True, 5)]
)  # N observations, N with next_obs, N + 1, and both
def test_a_last_reward_is_kept_however_many_observations_there_are(tmp_path, seen, after, rows):
    source = small(tmp_path / "small.hdf5", seen, after=after)
    (episode,) = source.episodes()
    assert source.lengths.tolist() == [rows - 1]
    np.testing.assert_array_equal(episode.state, SEEN[:rows])
    np.testing.assert_allclose(episode.action[:, 0], [0, 0, 0.1, 0.2, 0.3][:rows])
    assert episode.reward.tolist() == [0] * (rows - 1) + [1] and not episode.terminal.any()


@pytest.mark.parametrize("success", [True, False, np.bool_(True)])
def test_what_isaac_lab_records_is_read(tmp_path, success):
    poses = np.tile(np.eye(4), (4, 1, 1))
    states = {"initial_state__articulation__robot__joint_position": np.zeros((1, 9)), "states__rigid__cube": poses}
    observed = {
        "obs__datagen_info__object_pose__cube_1": poses,
        "obs__datagen_info__grasp": np.array([0, 0, 1, 1], bool),
    }
    camera = {
        "obs__cams__table": np.full((4, 8, 8, 3), 7, np.uint8),
        "obs__depth": np.zeros((4, 64, 64, 1), np.float32),
    }
    source = small(tmp_path / "isaac.hdf5", 4, success=success, **states, **observed, **camera)
    (episode,) = source.episodes()
    assert episode.success.tolist() == [False] * 3 + [bool(success)]
    names = [(v.name, v.stop - v.start) for v in source.task_spec.variables]
    assert names == [("datagen_info/grasp", 1), ("datagen_info/object_pose/cube_1", 16), ("eef", 2)]
    assert source.task_spec.observation == {"state": (19,), "cams.table": (8, 8, 3)}
    assert episode.observation["cams.table"].mean() == 7
    assert source.notes == ["left out: depth, which is float32 [64, 64, 1]"]


def test_isaac_lab_s_steps_of_physics_tell_the_rate(tmp_path):
    small(tmp_path / "isaac.hdf5", 4)
    with h5py.File(tmp_path / "isaac.hdf5", "r+") as file:
        told = {"env_name": "Isaac-Stack-Cube", "type": 2, "sim_args": {"dt": 0.01, "decimation": 5}}
        file["data"].attrs["env_args"] = json.dumps(told)
    assert Robomimic(tmp_path / "isaac.hdf5", Wishes()).task_spec.control_hz == 20


@pytest.mark.parametrize("told", [None, 3, [], {"env_kwargs": None}, {"env_kwargs": {"control_freq": "fast"}}])
def test_env_args_of_any_kind_only_ask_for_a_rate(tmp_path, told):
    small(tmp_path / "small.hdf5", 4)
    with h5py.File(tmp_path / "small.hdf5", "r+") as file:
        file["data"].attrs["env_args"] = json.dumps(told)
    with pytest.raises(UserError, match=r"say it with --hz|is no mapping"):
        Robomimic(tmp_path / "small.hdf5", Wishes())


def test_keys_choose_among_vectors_and_cameras(tmp_path):
    write(tmp_path / "lift.hdf5")

    def task_spec(*keys):
        return Robomimic(tmp_path / "lift.hdf5", Wishes(keys=list(keys))).task_spec

    assert task_spec("gripper").observation == {"state": (2,)} and task_spec("state").observation == {"state": (5,)}
    assert task_spec("agentview_image").observation == {"agentview_image": (8, 8, 3)}
    assert [v.name for v in task_spec("agentview_image").variables] == ["eef_pos", "gripper"]
    assert task_spec("agentview_image", "gripper").observation == {"state": (2,), "agentview_image": (8, 8, 3)}
    with pytest.raises(UserError, match="did you mean gripper"):
        task_spec("griper")


def test_a_camera_called_state_never_takes_the_vectors_place(tmp_path):
    with pytest.raises(UserError, match="has a camera called state"):
        small(tmp_path / "small.hdf5", 4, obs__state=np.zeros((4, 8, 8, 3), np.uint8))
    source = Robomimic(tmp_path / "small.hdf5", Wishes(hz=20, keys=["eef"]))
    assert source.task_spec.observation == {"state": (2,)}


def test_a_broken_demonstration_can_be_left_out_unread(tmp_path):
    write(tmp_path / "lift.hdf5")
    with h5py.File(tmp_path / "lift.hdf5", "r+") as file:
        del file["data/demo_2/obs"]
    with pytest.raises(UserError, match=r"episode 1 \(demo_2\) .* leave it out with --without 1"):
        Robomimic(tmp_path / "lift.hdf5", Wishes())
    source = Robomimic(tmp_path / "lift.hdf5", Wishes(without=(1,)))
    assert [episode.seed for episode in source.episodes()] == [0, 2]


@pytest.mark.parametrize("hz", [-5, 0, float("nan"), float("inf")])
def test_a_rate_is_a_number_above_zero(hz):
    with pytest.raises(UserError, match="is no number of steps a second"):
        Wishes(hz=hz)


@pytest.mark.parametrize("side", [-3, 10**9])
def test_a_side_of_images_is_within_reason(side):
    with pytest.raises(UserError, match="--image-size"):
        Wishes(image_size=side)
