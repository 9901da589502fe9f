"""LeRobot v3 in and out, against files written and read by pyarrow and PyAV alone."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.data.toy import PointConfig, PointTask, ScriptedPolicy
from tests.formats.recording import FPS, LENGTHS, SIDE, TOP, av, pa, pq, truth, write
from wm_lab.data.collect import collect
from wm_lab.data.config import DataConfig
from wm_lab.data.dataset import Dataset
from wm_lab.data.window_reader import WindowReader
from wm_lab.errors import UserError
from wm_lab.formats.convert import export_dataset, import_dataset
from wm_lab.formats.lerobot import LeRobot
from wm_lab.formats.own import Own
from wm_lab.formats.source import Wishes

CODEC = 6
"""Grey levels that a nearly lossless video may be off by."""


@pytest.fixture
def foreign(tmp_path):
    return write(tmp_path / "foreign")


def imported(folder: Path, to: Path, **wishes) -> Dataset:
    return Dataset.open(import_dataset(LeRobot(folder, Wishes(**wishes)), to))


def test_frames_are_aligned_on_arrival_and_the_last_action_is_left_out(foreign, tmp_path):
    data, recorded = imported(foreign, tmp_path / "ours"), truth()
    begin = LENGTHS[0]  # of episode 1
    episode = data.episode(1)
    assert data.table.length.tolist() == [length - 1 for length in LENGTHS] and episode.steps == LENGTHS[1] - 1
    state = np.concatenate([recorded["observation.state"], recorded["observation.environment_state"]], 1)
    np.testing.assert_array_equal(episode.state, state[begin : begin + LENGTHS[1]])
    np.testing.assert_array_equal(episode.reward[1:], recorded["next.reward"][begin : begin + LENGTHS[1] - 1])
    np.testing.assert_array_equal(episode.action[1:, 0], recorded["action"][begin : begin + LENGTHS[1] - 1, 0])
    assert not episode.action[0].any() and episode.reward[0] == 0


def test_a_success_that_only_the_last_frame_tells_is_kept(foreign, tmp_path):
    data = imported(foreign, tmp_path / "ours")
    assert [data.episode(e).first_success for e in range(3)] == [LENGTHS[0] - 1, None, None]


def test_actions_beyond_one_are_scaled_and_the_scale_is_on_the_card(foreign, tmp_path):
    data, raw = imported(foreign, tmp_path / "ours"), truth()["action"][:, 1]
    low, high = data.task_spec["settings"]["action_low"], data.task_spec["settings"]["action_high"]
    assert (low, high) == ([-1, raw.min()], [1, raw.max()])
    played = data.episode(0).action[1:, 1]
    np.testing.assert_allclose((played + 1) / 2 * (high[1] - low[1]) + low[1], raw[: LENGTHS[0] - 1], rtol=1e-5)


def test_the_card_tells_what_the_metadata_tell(foreign, tmp_path):
    task_spec = imported(foreign, tmp_path / "ours").task_spec
    assert (
        task_spec["name"] == "recorded/foreign" and task_spec["control_hz"] == FPS and task_spec["episode_steps"] == 8
    )
    assert task_spec["instruction"] == "Move both joints." and task_spec["physics"] == "two_joints, as recorded"
    assert task_spec["observation"] == {"state": [5], "top": [SIDE, SIDE, 3]}
    assert [(v["name"], v["start"], v["stop"]) for v in task_spec["variables"]] == [
        ("state", 0, 3),
        ("environment_state", 3, 5),
    ]


ASKED = ("Open the drawer.", "Close it.", "Open the drawer.")


def test_every_episode_keeps_the_instruction_that_it_follows(tmp_path):
    data = imported(write(tmp_path / "foreign", tasks=ASKED), tmp_path / "ours")
    assert data.instructions == data.spec.instructions == ["Open the drawer.", "Close it."]
    assert data.table.instruction.tolist() == [0, 1, 0]
    windows = WindowReader(data, 4, keys=["state"]).read(torch.tensor([0, 1, 2]), torch.from_numpy(data.table.offset))
    assert windows.instruction.tolist() == [[0] * 4, [1] * 4, [0] * 4]


@pytest.mark.parametrize("words", ["task", "__index_level_0__"])
def test_a_frame_s_task_is_what_the_table_of_tasks_calls_it(tmp_path, words):
    foreign = write(tmp_path / "foreign", tasks=ASKED)  # whose frames count the tasks in alphabetical order
    told = {words: ["Pull.", "Push."], "task_index": [1, 0]}
    pq.write_table(pa.table(told), foreign / "meta/tasks.parquet")
    data = imported(foreign, tmp_path / "ours")
    assert [data.instructions[i] for i in data.table.instruction] == ["Pull.", "Push.", "Pull."]


def test_without_a_table_of_tasks_the_episodes_tell_theirs(tmp_path):
    foreign = write(tmp_path / "foreign", tasks=ASKED)
    (foreign / "meta/tasks.parquet").unlink()
    data = imported(foreign, tmp_path / "ours")
    assert [data.instructions[i] for i in data.table.instruction] == list(ASKED)


def test_a_task_that_nobody_described_is_refused(tmp_path):
    foreign = write(tmp_path / "foreign", tasks=ASKED)
    pq.write_table(pa.table({"task": ["Close it."], "task_index": [0]}), foreign / "meta/tasks.parquet")
    with pytest.raises(UserError, match=r"episode 0 of .* follows task 1, and its table of tasks describes \[0\]"):
        imported(foreign, tmp_path / "ours")


def test_instructions_come_back_from_an_export(tmp_path):
    first = imported(write(tmp_path / "foreign", tasks=ASKED), tmp_path / "ours")
    export_dataset(Own([tmp_path / "ours"]), tmp_path / "again")
    again = imported(tmp_path / "again", tmp_path / "twice")
    assert again.instructions == first.instructions
    assert again.table.instruction.tolist() == [0, 1, 0]
    known = pq.read_table(tmp_path / "again/meta/tasks.parquet").to_pylist()
    assert {row["task"]: row["task_index"] for row in known} == {"Open the drawer.": 0, "Close it.": 1}
    frames = pq.read_table(tmp_path / "again/data/chunk-000/file-000.parquet").to_pydict()
    assert {(e, t) for e, t in zip(frames["episode_index"], frames["task_index"], strict=True)} == {
        (0, 0),
        (1, 1),
        (2, 0),
    }


def test_one_instruction_for_all_needs_no_column(foreign, tmp_path):
    data = imported(foreign, tmp_path / "ours")
    assert data.instructions == ["Move both joints."] and not data.table.instruction.any()
    assert not (tmp_path / "ours" / "episode.instruction.npy").exists()
    assert WindowReader(data, 4, keys=["state"]).read(torch.tensor([0]), torch.tensor([0])).instruction is None


@pytest.mark.parametrize("stills", [False, True])
def test_every_frame_is_the_one_of_its_step(tmp_path, stills):
    data = imported(write(tmp_path / "foreign", stills=stills), tmp_path / "ours")
    for e, length in enumerate(LENGTHS):
        grey = data.episode(e).observation["top"].mean((1, 2, 3))
        assert np.abs(grey - 10 * np.arange(length)).max() <= (0 if stills else CODEC)


def test_images_come_in_the_size_that_is_asked_for_and_only_those(foreign, tmp_path):
    assert imported(foreign, tmp_path / "small", image_size=8).task_spec["observation"]["top"] == [8, 8, 3]
    assert imported(foreign, tmp_path / "none", keys=["state"]).observation_keys == ("state",)
    with pytest.raises(UserError, match=r"unknown observation of .* 'side'; known: environment_state, state, top"):
        LeRobot(foreign, Wishes(keys=["state", "top", "side"]))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    config = DataConfig(episodes=12)
    task = partial(PointTask, PointConfig(observation=["state", "pixels"], dies_after=17))
    folder = tmp_path_factory.mktemp("ours") / "shard"
    return collect(folder, task, ScriptedPolicy, config.seeds(), config.exploration(), workers=1)


@pytest.fixture(scope="module")
def exported(ours, tmp_path_factory):
    return export_dataset(Own([ours]), tmp_path_factory.mktemp("exported") / "point")


def test_our_datasets_come_back_as_they_were(ours, exported, tmp_path):
    before, after = Dataset.open(ours), imported(exported, tmp_path / "back")
    assert after.task_spec == before.task_spec and after.table.behaviour.tolist() == before.table.behaviour.tolist()
    for name, column in before.shards[0].columns.items():
        again = after.shards[0].columns[name]
        assert again.dtype == column.dtype
        if name == "observation.pixels":
            assert np.abs(again.astype(int) - column).max() <= CODEC
        elif name != "episode.behaviour":  # an index into names, which are compared above
            np.testing.assert_array_equal(again, column, err_msg=name)


def test_pyarrow_and_pyav_find_in_an_export_what_was_put_in(ours, exported):
    data = Dataset.open(ours)
    info = json.loads((exported / "meta/info.json").read_text())
    table = pq.read_table(exported / "data/chunk-000/file-000.parquet")
    assert info["total_frames"] == table.num_rows == data.rows and info["fps"] == 10
    for name, feature in info["features"].items():
        assert (name in table.column_names) == (feature["dtype"] != "video")
    state = np.array(table["observation.state"].to_pylist(), np.float32)
    np.testing.assert_array_equal(state, data.column("observation.state"))
    first = np.array(table["action"].to_pylist(), np.float32)[: data.episode(0).steps]
    np.testing.assert_array_equal(first, data.episode(0).action[1:])
    rows = pq.read_table(exported / "meta/episodes").to_pylist()
    assert [row["dataset_to_index"] - row["dataset_from_index"] for row in rows] == [row["length"] for row in rows]
    with av.open(str(exported / "videos/observation.images.pixels/chunk-000/file-000.mp4")) as video:
        stream = video.streams.video[0]
        assert stream.average_rate == 10 and sum(1 for _ in video.decode(stream)) == data.rows
    assert rows[3]["videos/observation.images.pixels/from_timestamp"] == rows[3]["dataset_from_index"] / 10


def test_statistics_of_an_export_are_those_of_its_numbers(ours, exported):
    stats = json.loads((exported / "meta/stats.json").read_text())
    state = Dataset.open(ours).column("observation.state").astype(float)
    for name, expected in (
        ("mean", state.mean(0)),
        ("std", state.std(0)),
        ("min", state.min(0)),
        ("max", state.max(0)),
    ):
        np.testing.assert_allclose(stats["observation.state"][name], expected, atol=1e-9)
    assert stats["observation.state"]["count"] == [len(state)]
    assert np.shape(stats["observation.images.pixels"]["mean"]) == (3, 1, 1)


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


DAMAGE = {
    "a truncated table": (lambda f: cut(f / "data/chunk-000/file-000.parquet"), r"file-000.parquet is damaged"),
    "a truncated list of episodes": (lambda f: cut(f / "meta/episodes/chunk-000/file-000.parquet"), "is damaged"),
    "a truncated video": (lambda f: cut(f / f"videos/{TOP}/chunk-000/file-000.mp4"), r"file-000.mp4 is damaged"),
    "a missing table": (lambda f: (f / "data/chunk-000/file-001.parquet").unlink(), "file-001.parquet is missing"),
    "a missing video": (lambda f: (f / f"videos/{TOP}/chunk-000/file-001.mp4").unlink(), "file-001.mp4 is missing"),
    "a damaged description": (lambda f: (f / "meta/info.json").write_text("{"), "info.json is damaged"),
    "no episodes": (lambda f: (f / "meta/episodes/chunk-000/file-000.parquet").unlink(), "holds no parquet file"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_told_in_one_sentence_and_leaves_nothing_behind(foreign, tmp_path, what):
    harm, sentence = DAMAGE[what]
    harm(foreign)
    with pytest.raises(UserError, match=sentence) as told:
        imported(foreign, tmp_path / "ours")
    assert "\n" not in str(told.value)
    assert [p.name for p in tmp_path.iterdir()] == ["foreign"]


def test_a_video_that_ends_too_early_is_named(tmp_path):
    folder = write(tmp_path / "foreign")
    path = folder / f"videos/{TOP}/chunk-000/file-000.mp4"
    path.unlink()
    path.symlink_to(folder / f"videos/{TOP}/chunk-000/file-001.mp4")
    with pytest.raises(UserError, match="it ends after 9 frames, 12 are asked for"):
        imported(folder, tmp_path / "ours")


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [({"video_fps": 30}, "runs at 30 frames a second, its dataset at 10"), ({"info": 20}, "not those of 20 frames")],
)
def test_mixed_frame_rates_are_refused(tmp_path, rates, sentence):
    folder = write(tmp_path / "foreign", video_fps=rates.get("video_fps", FPS))
    if "info" in rates:
        path = folder / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"fps": rates["info"]}))
    with pytest.raises(UserError, match=sentence):
        imported(folder, tmp_path / "ours")


def test_other_versions_and_existing_folders_are_refused(tmp_path, foreign):
    for version in ("v1.6", "v4.0"):
        with pytest.raises(UserError, match=rf"format {version}, and the formats 2\.0 to 3\.0 are read"):
            LeRobot(write(tmp_path / version, codebase_version=version), Wishes())
    with pytest.raises(UserError, match="exists already"):
        imported(foreign, foreign)


def test_actions_of_the_lab_s_own_are_not_scaled_however_small(ours, tmp_path):
    source = Own([ours])
    for column in source.dataset.shards[0].columns:
        if column == "action":
            source.dataset.shards[0].columns[column] = source.dataset.shards[0].columns[column] * np.float32(0.001)
    small = source.dataset.shards[0].columns["action"]
    back = imported(export_dataset(source, tmp_path / "small"), tmp_path / "back")
    np.testing.assert_array_equal(back.column("action"), small)
    assert back.task_spec["settings"] == source.dataset.task_spec["settings"]


def test_an_export_has_a_card_that_a_hub_reads(exported):
    card = (exported / "README.md").read_text()
    assert card.startswith("---\nlicense: other") and "tags: [LeRobot" in card
    assert "| episodes | " in card and "LeRobotDataset v3.0" in card
