"""Recordings for Rerun's viewer, read back with Rerun's own reader."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tests.data.toy import PointTask, ScriptedPolicy
from tests.entry.command import SMALL, runs, wm_lab
from tests.extras import need
from tests.view.reader import read
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data_command import main
from wm_lab.view.recording import ImageSeries, Numbers, RerunRecording
from wm_lab.view.sequences import ending

CONFIG = DataConfig(episodes=4)


@pytest.fixture
def shard(tmp_path):
    return collect(tmp_path / "shard", PointTask, ScriptedPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)


def test_episodes_of_a_dataset_come_back_step_by_step(shard, tmp_path, capsys):
    need("rerun", "view")
    file = tmp_path / "shard.rrd"
    assert main(["view", str(shard), "--episodes", "2", "--output", str(file)]) == 0
    assert f"2 of 4 episodes, 40 steps; look at it with: rerun {file}" in " ".join(capsys.readouterr().out.split())
    first, second = (Dataset.open(shard).episode(i) for i in (0, 1))
    state, action, reward = (
        np.concatenate([getattr(e, k) for e in (first, second)]) for k in ("state", "action", "reward")
    )
    found = read(file)
    steps = list(range(42))
    curves = {"/state/position": state[:, :2], "/action": action, "/reward": reward[:, None]}
    for path, values in curves.items():
        shown = found[f"{path} Scalars:scalars"]
        assert sorted(shown) == steps
        np.testing.assert_allclose([shown[i] for i in steps], values, rtol=1e-6)
    points = found["/world/goal Points3D:positions"]
    np.testing.assert_allclose([points[i][0] for i in steps], np.pad(state[:, 2:4], ((0, 0), (0, 1))), rtol=1e-6)
    titles = found["/sequence TextDocument:text"]
    assert [*titles] == [0, 21] and titles[21][0].startswith(f"episode 1 (seed {second.seed}): ")


def test_where_nobody_can_succeed_a_title_says_what_was_earned(shard):
    dataset, spec = Dataset.open(shard), PointTask().task_spec
    episode = dataset.episode(0)
    pays = replace(spec, success_test="")
    assert ending("mpc", pays, episode) == f"mpc (seed {episode.seed}): return {episode.total_reward:.4g} in 20 steps"
    assert "solved" in ending("mpc", spec, episode)


@pytest.mark.parametrize(("name", "said"), [("folder.rrd", "is a folder"), ("a.txt", "is no .rrd file")])
def test_where_no_recording_can_be_is_told_before_any_work(shard, tmp_path, capsys, name, said):
    need("rerun", "view")
    (tmp_path / "folder.rrd").mkdir()
    assert main(["view", str(shard), "--output", str(tmp_path / name)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_pictures_stand_at_their_steps(tmp_path):
    need("rerun", "view")
    frames = [np.full((16, 16, 3), shade, np.uint8) for shade in (0, 120, 240)]
    with RerunRecording(tmp_path / "a.rrd", "toy") as recording:
        recording.sequence("first", {"reward": Numbers(np.zeros(4))})
        recording.sequence("second", {"picture/scene": ImageSeries(frames)})
    shown = read(tmp_path / "a.rrd")["/picture/scene EncodedImage:blob"]
    assert sorted(shown) == [4, 5, 6]
    for step, frame in zip((4, 5, 6), frames, strict=True):
        seen = np.asarray(Image.open(BytesIO(bytes(shown[step][0]))))
        assert np.abs(seen.astype(int) - frame).max() < 4


def test_a_recording_that_fails_leaves_no_file(tmp_path):
    need("rerun", "view")
    with pytest.raises(AttributeError), RerunRecording(tmp_path / "a.rrd", "toy") as recording:
        recording.sequence("first", {"reward": Numbers(np.zeros(4)), "picture": None})
    assert not list(tmp_path.iterdir())


def test_without_the_extra_one_sentence_says_what_to_install(shard, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main(["view", str(shard)]) == 2
    assert "pip install 'wm_lab[view]'" in capsys.readouterr().err
    ended = wm_lab(tmp_path, *SMALL, "tracking.rerun=true")
    assert ended.code == 2 and "tracking.rerun=true needs the package rerun" in ended.complaint
    assert not runs(tmp_path), "it is told before any work"
