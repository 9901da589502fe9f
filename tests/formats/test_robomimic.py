"""robomimic's HDF5 layout, written by h5py alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.formats.convert import import_dataset
from wm_lab.formats.robomimic import Robomimic
from wm_lab.formats.source import Wishes

h5py = pytest.importorskip("h5py", reason="robomimic's files need h5py: pip install 'wm_lab[hdf5]'")

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
    card = Robomimic(tmp_path / "lift.hdf5", Wishes()).card
    assert (card.name, card.control_hz, card.physics) == ("recorded/lift", 20, "Lift 1.4, as recorded")
    assert [v.name for v in card.variables] == ["eef_pos", "gripper"]


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
    with pytest.raises(UserError, match="no episode under data/"):
        Robomimic(path, Wishes())
