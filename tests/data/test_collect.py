from __future__ import annotations

import filecmp
import json
from functools import partial

import numpy as np
import pytest
from omegaconf import OmegaConf

from tests.data.toy import SPEED, ConstantPolicy, PointConfig, PointTask, ScriptedPolicy
from wm_lab.data.collect import GROUPS, PLAN, collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import EPISODE
from wm_lab.errors import UserError
from wm_lab.settings import read_config

CONFIG = DataConfig(episodes=40)


def make(folder, workers=1, task=PointTask, policy=ScriptedPolicy, **more):
    more = {"seeds": CONFIG.seeds(), "exploration": CONFIG.exploration(), **more}
    return collect(folder, task, policy, workers=workers, **more)


def same_bytes(a, b) -> bool:
    names = sorted(path.name for path in a.iterdir())
    match, *_ = filecmp.cmpfiles(a, b, names, shallow=False)
    return names == sorted(path.name for path in b.iterdir()) and match == names


def test_one_worker_and_two_write_the_same_bytes(tmp_path):
    assert same_bytes(make(tmp_path / "one", 1), make(tmp_path / "two", 2))


def test_a_killed_collection_goes_on_from_its_finished_groups(tmp_path):
    class Killed(Exception):
        pass

    def kill_in_second_group(episodes, **more):
        told.append(episodes)
        if len(told) == 2:
            raise Killed

    told: list[int] = []
    with pytest.raises(Killed):
        make(tmp_path / "a", advance=kill_in_second_group)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a" / GROUPS).iterdir()}
    assert sorted(kept) == ["000000.npz", "000001.npz"]
    told.clear()
    make(tmp_path / "a", advance=lambda episodes, **more: told.append(episodes))
    assert told == [32, 8], "32 episodes were there already"
    assert same_bytes(tmp_path / "a", make(tmp_path / "b"))
    assert not (tmp_path / "a" / GROUPS).exists()


def test_a_finished_collection_is_left_alone_and_another_one_refused(tmp_path):
    folder = make(tmp_path / "a")
    before = (folder / "manifest.json").stat().st_mtime_ns
    make(folder)
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="another collection"):
        make(folder, seeds=CONFIG.seeds()[:-1])
    with pytest.raises(UserError, match="another collection"):
        make(folder, description={"name": "someone else"})


def test_a_damaged_group_is_removed_and_named(tmp_path):
    def stop(episodes, **more):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a", advance=stop)
    (group,) = (tmp_path / "a" / GROUPS).glob("*.npz")
    group.write_bytes(group.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"000000\.npz was damaged"):
        make(tmp_path / "a")
    make(tmp_path / "a")


def test_what_another_version_of_the_lab_has_begun_is_played_anew(tmp_path):
    """Its groups may lack a column, and a KeyError at the very end would be the answer to an hour of playing."""

    def stop(episodes, **more):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a", advance=stop)
    plan = json.loads((tmp_path / "a" / PLAN).read_text())
    (tmp_path / "a" / PLAN).write_text(json.dumps({key: plan[key] for key in plan if key != "layout"}))
    (group,) = (tmp_path / "a" / GROUPS).glob("*.npz")
    np.savez(group, **{f"{EPISODE}length": [1]})
    assert same_bytes(make(tmp_path / "a"), make(tmp_path / "b"))


def test_the_manifest_tells_where_every_episode_is_from(tmp_path):
    dataset = Dataset.open(make(tmp_path / "a", description={"name": "expert"}, round_number=3))
    table = dataset.table
    assert table.seed.tolist() == CONFIG.seeds()
    assert (table.round == 3).all()
    assert set(table.behaviour) == {"noisy_expert", "random", "perturb_recover"}
    assert set(table.strength[table.behaviour == "noisy_expert"]) <= set(np.float32([0.1, 0.3, 0.5]))
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["provenance"]["policy"] == {"name": "expert"}
    assert manifest["task"]["physics"] == "point 1" and manifest["task"]["settings"] == {"tolerance": 0.05}


def test_what_is_read_back_is_what_happened(tmp_path):
    dying = partial(PointTask, PointConfig(dies_after=7))
    dataset = Dataset.open(make(tmp_path / "a", task=dying))
    assert dataset.spec.ends and not Dataset.open(make(tmp_path / "b")).spec.ends
    for index in (0, 17, 39):
        episode = dataset.episode(index)
        assert episode.steps == 7 and episode.terminal.tolist() == [False] * 7 + [True]
        assert episode.state[:, 4].tolist() == list(range(8))
        np.testing.assert_allclose(np.diff(episode.state[:, :2], axis=0), SPEED * episode.action[1:], atol=1e-6)
        np.testing.assert_array_equal(episode.contact[1:], episode.state[1:, 0] > 0)


def test_images_are_stored_as_bytes_beside_the_state(tmp_path):
    task = partial(PointTask, PointConfig(observation=["pixels"]))
    dataset = Dataset.open(make(tmp_path / "a", task=task, policy=ConstantPolicy))
    assert set(dataset.observation_keys) == {"pixels", "state"}
    assert set(dataset.spec.observation) == {"pixels"}
    episode = dataset.episode(5)
    assert episode.observation["pixels"].dtype == np.uint8
    assert episode.observation["pixels"][:, 1, 2, 0].tolist() == list(range(21))


def test_seeds_of_rounds_and_data_seeds_never_meet():
    seeds = [DataConfig(episodes=50_000, seed=s).seeds(r) for s in (0, 1, 1341) for r in (0, 1, 15)]
    assert len({s for part in seeds for s in part}) == sum(map(len, seeds))
    assert max(map(max, seeds)) < 2**30


def test_the_configuration_fits_a_typed_yaml():
    built = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(DataConfig), {"workers": 2}))
    assert built == DataConfig(workers=2)


def test_the_first_collection_is_not_rebuilt_for_settings_of_rounds_splits_or_workers():
    plain = DataConfig()
    other = DataConfig(rounds=2, round_strengths=[0.3], validation_fraction=0.2, workers=5)
    assert plain.recipe() == other.recipe() and plain.recipe(1) != other.recipe(1)
    assert plain.recipe() != DataConfig(strengths=[0.2]).recipe()
    assert other.split().validation_fraction == 0.2


def test_no_seed_may_come_twice(tmp_path):
    with pytest.raises(UserError, match="twice"):
        make(tmp_path / "a", seeds=[1, 2, 1])


@pytest.mark.parametrize(
    "values",
    [
        {"episodes": 0},
        {"rounds": 201},
        {"round_episodes": 0},
        {"seed": -1},
        {"newest_fraction": 1.5},
        {"workers": -1},
        {"strengths": [-0.1]},
        {"correlation": 1.0},
        {"block": 0},
    ],
)
def test_impossible_settings_are_refused_by_name(values):
    with pytest.raises(UserError, match=f"data.{next(iter(values))}="):
        read_config(DataConfig, values, "data")
