"""Minari's datasets, written by the minari package itself."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.formats.convert import import_dataset
from wm_lab.formats.detect import open_source
from wm_lab.formats.source import Wishes

minari = pytest.importorskip("minari", reason="Minari's datasets need its package: pip install 'wm_lab[minari]'")
pytest.importorskip("h5py", reason="Minari keeps its data in HDF5: pip install 'wm_lab[minari]'")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # it would have its data described at length

SPACE = spaces.Dict(
    {
        "observation": spaces.Box(-np.inf, np.inf, (3,)),
        "desired_goal": spaces.Box(-np.inf, np.inf, (2,)),
    }
)


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    rng = np.random.default_rng(0)
    episodes = [
        minari.data_collector.EpisodeBuffer(
            observations={
                key: list(rng.normal(size=(length + 1, *space.shape)).astype(np.float32))
                for key, space in SPACE.items()
            },
            actions=list(rng.uniform(-2, 2, (length, 2)).astype(np.float32)),
            rewards=list(rng.normal(size=length)),
            terminations=[False] * (length - 1) + [length == 4],
            truncations=[False] * (length - 1) + [length != 4],
            infos={"success": [False] * length + [True]},
        )
        for length in (4, 6)
    ]
    minari.create_dataset_from_buffers(
        "toy/point-v0", episodes, action_space=spaces.Box(-2, 2, (2,)), observation_space=SPACE, data_format="hdf5"
    )
    return tmp_path / "toy" / "point-v0", episodes


def test_observations_goals_and_endings_are_minaris(written, tmp_path):
    path, episodes = written
    data = Dataset.open(import_dataset(open_source(path, Wishes(hz=20)), tmp_path / "ours"))
    assert data.table.length.tolist() == [4, 6] and data.card["control_hz"] == 20
    names = [v["name"] for v in data.card["variables"]]
    for e, recorded in enumerate(episodes):
        seen = np.concatenate([np.stack(recorded.observations[name]) for name in names], 1)
        np.testing.assert_array_equal(data.episode(e).state, seen)
        np.testing.assert_allclose(data.episode(e).reward[1:], recorded.rewards, rtol=1e-6)
        assert data.episode(e).terminal.any() == recorded.terminations[-1]
        assert data.episode(e).first_success == data.episode(e).steps
    assert data.card["settings"]["action_high"][0] > 1


def test_a_rate_is_asked_for_and_damage_is_told(written):
    path, _ = written
    with pytest.raises(UserError, match="say it with --hz"):
        open_source(path)
    file = path / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match="is damaged"):
        open_source(path, Wishes(hz=20))
