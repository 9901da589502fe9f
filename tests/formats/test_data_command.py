"""wm-lab-data on datasets of the lab's own and of others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.data.toy import PointTask, ScriptedPolicy
from tests.formats.recording import LENGTHS, TOP, write
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.shard import write_manifest
from wm_lab.data_command import main

CONFIG = DataConfig(episodes=8)


@pytest.fixture
def shard(tmp_path):
    return collect(tmp_path / "shard", PointTask, ScriptedPolicy, CONFIG.seeds(), CONFIG.exploration(), workers=1)


@pytest.fixture
def foreign(tmp_path):
    return write(tmp_path / "foreign")


def call(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, " ".join(out.split()), err


def test_info_tells_shapes_rates_statistics_and_oddities(shard, foreign, capsys):
    code, out, _ = call(capsys, "info", shard)
    assert code == 0 and "8 (7 train, 1 validation)" in out and "10 Hz" in out
    state = Dataset.open(shard).column("observation.state")
    assert " ".join(f"{v:.4g}" for v in (state.min(0)[0], state.mean(0)[0])) in out
    _, out, _ = call(capsys, "info", foreign)
    assert "LeRobot v3.0" in out and "observation.top 32 × 32 × 3 uint8" in out and "scaled to [-1, 1]" in out


def test_a_contact_sheet_shows_frames_of_the_episodes(foreign, shard, tmp_path, capsys):
    code, _, _ = call(capsys, "info", foreign, "--sheet", tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    grey = {tuple(pixel) for pixel in sheet.reshape(-1, 3).tolist()}
    assert code == 0 and any(abs(shade - 40) < 6 for shade, *_ in grey)
    code, _, err = call(capsys, "info", shard, "--sheet", tmp_path / "none.png")
    assert code == 2 and "holds no images" in err


def test_imported_datasets_are_exported_again_with_the_same_numbers(foreign, tmp_path, capsys):
    assert call(capsys, "import", foreign, tmp_path / "ours", "--image-size", 16)[0] == 0
    assert call(capsys, "export", tmp_path / "ours", tmp_path / "theirs")[0] == 0
    assert call(capsys, "import", tmp_path / "theirs", tmp_path / "again", "--image-size", 0)[0] == 0
    first, again = Dataset.open(tmp_path / "ours"), Dataset.open(tmp_path / "again")
    assert first.task_spec == again.task_spec and first.task_spec["observation"]["top"] == [16, 16, 3]
    for name in ("observation.state", "action", "reward", "success"):
        np.testing.assert_array_equal(first.column(name), again.column(name))


def test_missing_values_are_counted_refused_and_can_be_left_out(shard, tmp_path, capsys):
    state = np.load(shard / "observation.state.npy")
    state[3 * 21 + 4, :2] = np.nan
    np.save(shard / "observation.state.npy", state)
    write_manifest(shard, PointTask().task_spec, ["a", "b", "c"], {})
    assert "observation.state: 2 values are not numbers" in call(capsys, "info", shard)[1]
    code, _, err = call(capsys, "validate", shard)
    assert code == 2 and "not whole: observation.state: 2 values" in err
    assert call(capsys, "export", shard, tmp_path / "theirs")[0] == 0
    code, _, err = call(capsys, "import", tmp_path / "theirs", tmp_path / "again")
    assert code == 2 and "first after 4 steps; leave it out with --without 3" in err
    assert call(capsys, "import", tmp_path / "theirs", tmp_path / "again", "--without", 3)[0] == 0


def test_validate_reads_every_byte(shard, foreign, capsys):
    assert call(capsys, "validate", shard)[0] == call(capsys, "validate", foreign)[0] == 0
    video = foreign / f"videos/{TOP}/chunk-000/file-001.mp4"
    video.write_bytes(video.read_bytes()[:-200])
    code, _, err = call(capsys, "validate", foreign)
    assert code == 2 and "file-001.mp4 is damaged" in err
    assert [line for line in err.splitlines() if not line.startswith("read:")] == [err.splitlines()[-1]]


def test_episodes_can_be_left_out(foreign, tmp_path, capsys):
    assert call(capsys, "import", foreign, tmp_path / "ours", "--without", 1)[0] == 0
    data = Dataset.open(tmp_path / "ours")
    assert data.table.length.tolist() == [LENGTHS[0] - 1, LENGTHS[2] - 1] and data.table.seed.tolist() == [0, 2]
    code, _, err = call(capsys, "import", foreign, tmp_path / "none", "--without", 9)
    assert code == 2 and "episodes 0 to 2, and none is 9" in err


def test_an_episode_that_is_left_out_is_never_read(tmp_path, capsys):
    folder = write(tmp_path / "foreign")
    (folder / "data/chunk-000/file-001.parquet").unlink()  # which holds episode 2 alone
    assert call(capsys, "import", folder, tmp_path / "ours")[0] == 2
    assert call(capsys, "import", folder, tmp_path / "ours", "--without", 2)[0] == 0
    assert Dataset.open(tmp_path / "ours").table.seed.tolist() == [0, 1]
    code, _, err = call(capsys, "import", folder, tmp_path / "none", "--without", 0, 1, 2)
    assert code == 2 and "leaves out all of them" in err


def test_what_is_no_dataset_is_told(tmp_path, shard, capsys):
    (tmp_path / "empty").mkdir()
    for path, sentence in (("nowhere", "there is no dataset"), ("empty", "no dataset that the lab knows")):
        code, _, err = call(capsys, "info", tmp_path / path)
        assert code == 2 and sentence in err
    code, _, err = call(capsys, "import", shard, tmp_path / "new")
    assert code == 2 and "a dataset of the lab already" in err


@pytest.mark.parametrize("name", ["file/new", "a" * 300, "dangling"])
@pytest.mark.parametrize("command", ["import", "export"])
def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys, name, command):
    foreign = write(tmp_path / "foreign", stills=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    code, _, err = call(capsys, command, foreign, tmp_path / name)
    assert code == 2 and ("choose another folder" in err) and "Traceback" not in err
    assert call(capsys, "info", tmp_path / ("b" * 300))[0] == 2
