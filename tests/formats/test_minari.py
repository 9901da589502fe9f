"""Minari's datasets, written by the minari package itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from gymnasium import spaces

from tests.extras import need
from wm_lab.data.dataset import Dataset
from wm_lab.errors import UserError
from wm_lab.formats.convert import import_dataset
from wm_lab.formats.detect import open_source
from wm_lab.formats.source import Wishes

minari = need("minari", "minari")
need("h5py", "minari")

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
    assert data.table.length.tolist() == [4, 6] and data.task_spec["control_hz"] == 20
    names = [v["name"] for v in data.task_spec["variables"]]
    for e, recorded in enumerate(episodes):
        seen = np.concatenate([np.stack(recorded.observations[name]) for name in names], 1)
        np.testing.assert_array_equal(data.episode(e).state, seen)
        np.testing.assert_allclose(data.episode(e).reward[1:], recorded.rewards, rtol=1e-6)
        assert data.episode(e).terminal.any() == recorded.terminations[-1]
        assert data.episode(e).first_success == data.episode(e).steps
    assert data.task_spec["settings"]["action_high"][0] > 1


def test_a_rate_is_asked_for_and_damage_is_told(written):
    path, _ = written
    with pytest.raises(UserError, match="say it with --hz"):
        open_source(path)
    file = path / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(UserError, match="is damaged"):
        open_source(path, Wishes(hz=20))


def made(name, observations, actions, *, space, action_space, **told):
    """One episode of three actions, as minari writes it."""
    steps = 3
    episode = minari.data_collector.EpisodeBuffer(
        observations=observations,
        actions=actions,
        rewards=[0.0, 0.0, 1.0],
        terminations=[False, False, True],
        truncations=[False] * steps,
        infos={"success": np.array([False, False, False, True])},
    )
    minari.create_dataset_from_buffers(
        f"{name}-v0", [episode], observation_space=space, action_space=action_space, **told
    )


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 100


TWO, MATRIX = spaces.Box(-np.inf, np.inf, (2,)), spaces.Box(-np.inf, np.inf, (2, 2))
NESTED = spaces.Dict({"a": spaces.Tuple((TWO, MATRIX)), "cam": spaces.Box(0, 255, (8, 8, 3), np.uint8)})


@pytest.mark.parametrize("kind", ["hdf5", "arrow", "parquet"])
@pytest.mark.parametrize("jpeg", [True, False])
def test_parts_of_nested_spaces_are_named_by_their_places(tmp_path, monkeypatch, kind, jpeg):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    seen = {"a": (numbers(4, 2), numbers(4, 2, 2)), "cam": np.full((4, 8, 8, 3), 100, np.uint8)}
    action = {"x": numbers(3, 2), "y": numbers(3, 1)}
    made(
        "nested",
        seen,
        action,
        space=NESTED,
        action_space=spaces.Dict({"x": TWO, "y": spaces.Box(-1, 1, (1,))}),
        data_format=kind,
        jpeg_encoding=jpeg,
    )
    source = open_source(tmp_path / "nested-v0", Wishes(hz=10))
    (episode,) = source.episodes()
    assert [(v.name, v.stop - v.start) for v in source.task_spec.variables] == [("a.0", 2), ("a.1", 4)]
    np.testing.assert_array_equal(episode.state, np.concatenate([seen["a"][0], seen["a"][1].reshape(4, 4)], 1))
    assert abs(episode.observation["cam"].mean() - 100) < 2
    np.testing.assert_array_equal(episode.action[1:], np.concatenate([action["x"], action["y"]], 1))
    assert episode.reward.tolist() == [0, 0, 0, 1]
    assert episode.success.tolist() == episode.terminal.tolist() == [False, False, False, True]


def test_actions_that_are_not_continuous_are_refused_for_that(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    both = spaces.Dict({"x": TWO, "mode": spaces.Discrete(3)})
    made("both", numbers(4, 2), {"x": numbers(3, 2), "mode": np.array([0, 1, 2])}, space=TWO, action_space=both)
    with pytest.raises(UserError, match="discrete actions in mode"):
        open_source(tmp_path / "both-v0", Wishes(hz=10))


def test_an_observation_too_few_is_told_and_can_be_left_out(written):
    path, _ = written
    with minari_file(path) as file:
        shorter = file["episode_1/observations/observation"][:-1]
        del file["episode_1/observations/observation"]
        file["episode_1/observations/observation"] = shorter
    source = open_source(path, Wishes(hz=20))
    with pytest.raises(UserError, match=r"episode 1 .* 6 observations of observation and 6 actions.*--without 1"):
        list(source.episodes())
    assert len(list(open_source(path, Wishes(hz=20, without=(1,))).episodes())) == 1


def minari_file(path):
    import h5py

    return h5py.File(path / "data" / "main_data.hdf5", "r+")


def test_no_environment_that_a_dataset_names_is_ever_made(written, tmp_path, monkeypatch):
    path, _ = written
    (tmp_path / "evil_module.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    metadata = path / "data" / "metadata.json"
    told = json.loads(metadata.read_text())
    del told["observation_space"], told["action_space"]
    told["env_spec"] = json.dumps({"id": "Evil-v0", "entry_point": "evil_module:Env"})
    metadata.write_text(json.dumps(told))
    assert open_source(path, Wishes(hz=20)).task_spec.physics == "Evil-v0, as recorded"
