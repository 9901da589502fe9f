"""LeRobot folders as other people have them: each is read to the values that are in it, or refused with the way."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.formats.hostile_lerobot import ours
from tests.formats.recording import (
    LENGTHS,
    SIDE,
    TOP,
    change_features,
    change_info,
    change_tables,
    film,
    older,
    pa,
    png,
    pq,
    read_info,
    rename,
    truth,
    write,
)
from wm_lab.data.dataset import Dataset
from wm_lab.data_command import main
from wm_lab.errors import UserError
from wm_lab.formats.convert import export_dataset, import_dataset
from wm_lab.formats.lerobot import LeRobot
from wm_lab.formats.own import Own
from wm_lab.formats.source import Wishes

STATE = np.concatenate([truth()["observation.state"], truth()["observation.environment_state"]], 1)


def imported(folder: Path, **wishes) -> Dataset:
    return Dataset.open(import_dataset(LeRobot(folder, Wishes(**wishes)), folder.with_name("ours")))


def rows(data: Dataset) -> np.ndarray:
    return data.column("observation.state")


def greys(data: Dataset, key: str = "top") -> np.ndarray:
    return data.column(f"observation.{key}").mean((1, 2, 3))


FRAMES = np.concatenate([10 * np.arange(length) for length in LENGTHS])


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
@pytest.mark.parametrize("stills", [False, True])
def test_versions_2_keep_every_episode_in_files_of_its_own(tmp_path, version, stills):
    asked = ("Open the drawer.", "Close it.", "Open the drawer.")
    folder = older(write(tmp_path / "arm", stills=stills, tasks=asked), version, chunk=2)
    assert (folder / "data/chunk-001/episode_000002.parquet").exists()
    data = imported(folder)
    np.testing.assert_array_equal(rows(data), STATE)
    assert np.abs(greys(data) - FRAMES).max() <= (0 if stills else 6)
    assert [data.instructions[i] for i in data.table.instruction] == list(asked)
    assert data.episode(0).first_success == LENGTHS[0] - 1
    assert data.shards[0].manifest["provenance"]["imported"]["format"] == f"LeRobot {version}"


def test_columns_by_other_names_are_refused_with_the_option_that_reads_them(tmp_path, capsys):
    names = {"action": "actions", "observation.state": "state", "observation.environment_state": "joint_pos"}
    folder = rename(write(tmp_path / "libero", stills=True), names | {TOP: "image", "next.reward": "r"})
    options = ["--map", "action=actions", "state=state,joint_pos"]
    assert main(["import", str(folder), str(tmp_path / "ours")]) == 2
    said = capsys.readouterr().err
    found = "its columns of numbers: state [3], joint_pos [2], actions [2], r [1]; its cameras: image"
    assert f"{found}; say which is what: {' '.join(options)}" in said
    assert main(["info", str(folder), *options]) == 0
    assert main(["import", str(folder), str(tmp_path / "ours"), *options, "reward=r", "front=image"]) == 0
    data = Dataset.open(tmp_path / "ours")
    np.testing.assert_array_equal(rows(data), STATE)
    np.testing.assert_array_equal(greys(data, "front"), FRAMES)
    np.testing.assert_array_equal(data.episode(1).reward[1:-1], truth()["next.reward"][LENGTHS[0] :][: LENGTHS[1] - 2])
    assert [v["name"] for v in data.task_spec["variables"]] == ["state", "joint_pos"]


def test_only_what_lacks_is_asked_for(tmp_path):
    with pytest.raises(UserError, match=r"lacks a column action; its .*torque \[2\].*--map action=COLUMN$"):
        LeRobot(rename(write(tmp_path / "a"), {"action": "torque"}), Wishes())
    names = {"observation.state": "qpos", "observation.environment_state": "scene"}
    with pytest.raises(UserError, match=r"lacks columns observation\.….*--map state=qpos$"):
        LeRobot(rename(write(tmp_path / "b"), names), Wishes())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"action": ["nothing"]}, "unknown column in --map action=nothing 'nothing'"),
        ({"reward": ["action", "timestamp"]}, "names 2 columns, and reward is one"),
        ({"front": ["action"]}, "names a column of type float32, and 'front' can only be a camera"),
        ({"state": [TOP]}, "is of type video, which is no number"),
        ({"state": ["action", "action"]}, "names a column twice"),
        ({"reward": ["action"]}, "names a column that is not one number a frame, and reward is"),
    ],
)
def test_a_map_that_makes_no_sense_is_told(tmp_path, told, said):
    with pytest.raises(UserError, match=said):
        LeRobot(write(tmp_path / "arm"), Wishes(map=told))


def test_a_map_is_for_lerobot_alone_and_of_pairs(tmp_path, capsys):
    data = import_dataset(LeRobot(write(tmp_path / "arm"), Wishes()), tmp_path / "ours")
    assert main(["info", str(data), "--map", "action=actions"]) == 2
    assert "--map names columns of a LeRobot folder" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "arm"), "--map", "action=action", "action=timestamp"]) == 2
    assert "says one name twice" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["info", str(data), "--map", "actions"])


def test_a_rate_that_is_not_the_folder_s_is_refused(tmp_path):
    assert LeRobot(write(tmp_path / "arm"), Wishes(hz=10)).task_spec.control_hz == 10
    with pytest.raises(UserError, match="holds 10 frames a second; leave out --hz 20"):
        LeRobot(tmp_path / "arm", Wishes(hz=20))


def test_a_flag_that_is_no_number_is_not_a_yes(tmp_path):
    folder = write(tmp_path / "arm")

    def blur(table):
        at = table.column_names.index("next.success")
        return table.set_column(at, "next.success", pa.array([np.nan] * len(table)))

    with pytest.raises(UserError, match=r"episode 0 of .* has flags of success that are neither yes nor no"):
        imported(change_tables(folder, blur))


def test_images_of_two_sizes_are_brought_to_one_or_told(tmp_path):
    folder = write(tmp_path / "arm", stills=True)

    def grow(table):
        entries = [
            {"bytes": png(np.full((2 * SIDE, SIDE, 3), 10 * n, np.uint8)) if n == 3 else entry["bytes"], "path": None}
            for n, entry in zip(table["frame_index"].to_pylist(), table[TOP].to_pylist(), strict=True)
        ]
        return table.drop_columns([TOP]).append_column(TOP, pa.array(entries))

    change_tables(folder, grow)
    np.testing.assert_array_equal(greys(imported(folder, image_size=8)), FRAMES)
    with pytest.raises(
        UserError, match=r"has observation.images.top of 64 × 32 pixels in frame 3 and of 32 × 32 before"
    ):
        import_dataset(LeRobot(folder, Wishes()), tmp_path / "none")


def test_two_arms_in_columns_of_their_own_are_one_action(tmp_path):
    folder = write(tmp_path / "arms")
    action = truth()["action"]

    def split(table):
        both = np.array(table["action"].to_pylist(), np.float32)
        table = table.append_column("action.left", pa.array(both[:, 0])).append_column(
            "action.right", pa.array(both[:, 1])
        )
        return table.drop_columns(["action"])

    change_tables(folder, split)
    features = read_info(folder)["features"]
    facts = features.pop("action")
    features |= {f"action.{side}": facts | {"shape": [1], "names": [f"{side}_elbow"]} for side in ("right", "left")}
    change_info(folder, features=features)
    with pytest.raises(UserError, match=r"--map action=action\.right,action\.left$"):
        LeRobot(folder, Wishes())
    source = LeRobot(folder, Wishes(map={"action": ["action.left", "action.right"]}))
    assert source.labels["action"] == ["left_elbow", "right_elbow"]
    data = Dataset.open(import_dataset(source, tmp_path / "ours"))
    np.testing.assert_array_equal(data.episode(0).action[1:, 0], action[: LENGTHS[0] - 1, 0])


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a", "b", "c"], ["a", "b", "c"]),
        ({"motors": ["a", "b", "c"]}, ["a", "b", "c"]),
        ({"b": 1, "c": 2, "a": 0}, ["a", "b", "c"]),
        ({"left": ["a", "b"], "right": ["a"]}, ["left.a", "left.b", "right.a"]),
        (["a", "b"], None),
        (None, None),
        ({"a": {"b": {"c": {"d": {"e": {"f": ["g"] * 3}}}}}}, None),
    ],
)
def test_joints_keep_their_names_through_import_and_export(tmp_path, names, labels):
    data = imported(change_features(write(tmp_path / "arm", stills=True), observation__state={"names": names}))
    kept = data.shards[0].manifest["provenance"]["labels"]
    expected = None if labels is None else [*labels, "environment_state.0", "environment_state.1"]
    assert kept.get("state") == expected
    folder = export_dataset(Own([tmp_path / "ours"]), tmp_path / "theirs")
    assert read_info(folder)["features"]["observation.state"]["names"] == expected
    assert LeRobot(folder, Wishes()).labels.get("state") == expected
    assert read_info(folder)["robot_type"] == "two_joints"


def test_keys_choose_among_vectors_and_a_whole_name_means_that_column(tmp_path):
    folder = write(tmp_path / "arm")
    recorded = truth()
    for keys, expected in (
        (["environment_state"], recorded["observation.environment_state"]),
        (["observation.state"], recorded["observation.state"]),
        (["state"], STATE),
    ):
        data = Dataset.open(import_dataset(LeRobot(folder, Wishes(keys=keys)), tmp_path / keys[0]))
        np.testing.assert_array_equal(rows(data), expected)
        assert data.observation_keys == ("state",)
    data = Dataset.open(import_dataset(LeRobot(folder, Wishes(keys=["observation.state", TOP])), tmp_path / "both"))
    assert set(data.observation_keys) == {"state", "top"} and rows(data).shape[1] == 3


def test_of_the_lab_s_own_export_keys_choose_among_observations_that_stay_apart(tmp_path):
    folder = write(tmp_path / "arm", stills=True)
    ours(observation={"state": [3], "environment_state": [2], "top": [SIDE, SIDE, 3]})(folder)
    for number, (keys, seen) in enumerate(
        [
            (None, ["environment_state", "state", "top"]),
            (["environment_state"], ["environment_state"]),
            (["observation.state", "top"], ["state", "top"]),
        ]
    ):
        data = Dataset.open(import_dataset(LeRobot(folder, Wishes(keys=keys)), tmp_path / str(number)))
        assert sorted(data.task_spec["observation"]) == seen
        np.testing.assert_array_equal(rows(data), truth()["observation.state"])
    with pytest.raises(UserError, match=r"unknown observation of .* 'side'"):
        LeRobot(folder, Wishes(keys=["side"]))


def test_joints_are_shown(tmp_path, capsys):
    folder = change_features(write(tmp_path / "arm"), observation__state={"names": ["shoulder", "elbow", "wrist"]})
    assert main(["info", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "elbow" in shown and "environment_state.1" in shown


def test_cameras_whose_names_clash_are_not_lost(tmp_path):
    folder = rename(write(tmp_path / "arm", stills=True), {TOP: "observation.images.state"})
    with pytest.raises(UserError, match=r"a camera called state, .*--map NAME=observation\.images\.state"):
        LeRobot(folder, Wishes())
    data = imported(folder, map={"front": ["observation.images.state"]})
    np.testing.assert_array_equal(greys(data, "front"), FRAMES)
    np.testing.assert_array_equal(rows(data), STATE)
    features = read_info(folder)["features"]
    change_info(folder, features=features | {"observation.state": {**features["observation.images.state"]}})
    with pytest.raises(UserError, match="needs another name, for 'state' is taken"):
        LeRobot(folder, Wishes(map={"state": ["observation.environment_state"]}))


def test_av1_is_read_like_h264(tmp_path):
    folder = write(tmp_path / "arm")
    for file, lengths in ((0, LENGTHS[:2]), (1, LENGTHS[2:])):
        numbers = [number for length in lengths for number in range(length)]
        film(folder / f"videos/{TOP}/chunk-000/file-{file:03d}.mp4", numbers, 10, "libsvtav1")
    assert np.abs(greys(imported(folder)) - FRAMES).max() <= 6


def test_depth_is_left_out_or_told_and_never_read_as_colours(tmp_path):
    folder = change_features(write(tmp_path / "a"), **{TOP.replace(".", "__"): {"info": {"video.is_depth_map": True}}})
    source = LeRobot(folder, Wishes())
    assert list(source.task_spec.observation) == ["state"] and f"left out: {TOP}" in source.notes
    deep = io.BytesIO()
    Image.fromarray(np.full((SIDE, SIDE), 3000, np.uint16)).save(deep, "png")
    folder = write(tmp_path / "b", stills=True)
    images = [{"bytes": deep.getvalue(), "path": None}]

    def deepen(table):
        table = table.drop_columns([TOP])
        return table.append_column(TOP, pa.array(images * len(table)))

    change_tables(folder, deepen)
    with pytest.raises(UserError, match=r"episode 0 of .* has observation.images.top in frame 0 in more than 8 bits"):
        imported(folder)


def test_images_under_a_path_are_read_from_the_folder(tmp_path):
    folder = write(tmp_path / "arm", stills=True)

    def outside(table):
        entries = []
        for number, (entry, e) in enumerate(
            zip(table[TOP].to_pylist(), table["episode_index"].to_pylist(), strict=True)
        ):
            name = f"images/top/{e}/{number}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(entry["bytes"])
            entries.append({"bytes": None, "path": name})
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        return table.drop_columns([TOP]).append_column(TOP, pa.array(entries, kind))

    change_tables(folder, outside)
    np.testing.assert_array_equal(greys(imported(folder)), FRAMES)
    (folder / "images/top/1/8.png").unlink()
    with pytest.raises(UserError, match=r"episode 1 of .* keeps observation.images.top in frame 1 as a file .*missing"):
        Dataset.open(import_dataset(LeRobot(folder, Wishes()), tmp_path / "none"))


def test_without_words_and_times_an_episode_has_no_instruction_and_is_still_read(tmp_path):
    folder = write(tmp_path / "arm")
    (folder / "meta/tasks.parquet").unlink()
    path = folder / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["tasks"]), path)
    change_tables(folder, lambda table: table.drop_columns(["timestamp", "task_index", "frame_index", "index"]))
    gone = ("timestamp", "task_index", "frame_index", "index")
    features = {name: facts for name, facts in read_info(folder)["features"].items() if name not in gone}
    data = imported(change_info(folder, features=features))
    assert data.instructions == [""]
    np.testing.assert_array_equal(rows(data), STATE)


def test_an_end_is_of_the_task_only_beside_truncated(tmp_path):
    folder = write(tmp_path / "arm")
    last = [False, True, False]  # of three episodes, which one was cut off

    def end(table):
        owner = np.array(table["episode_index"].to_pylist())
        ends = np.append(owner[1:] != owner[:-1], True)
        cut = ends & np.array([last[e] for e in owner])
        return table.append_column("next.done", pa.array(ends)).append_column("next.truncated", pa.array(cut))

    change_tables(folder, end)
    facts = {"dtype": "bool", "shape": [1], "names": None}
    done = {**read_info(folder)["features"], "next.done": facts}
    change_info(folder, features=done)
    assert not any(e.terminal.any() for e in LeRobot(folder, Wishes()).episodes())
    change_info(folder, features={**done, "next.truncated": facts})
    found = [e.terminal.tolist() for e in LeRobot(folder, Wishes()).episodes()]
    assert found == [[False] * (n - 1) + [not cut] for n, cut in zip(LENGTHS, last, strict=True)]


def test_a_success_or_reward_of_the_last_frame_alone_is_kept(tmp_path):
    folder = write(tmp_path / "arm")
    end = np.cumsum(LENGTHS) - 1

    def pay(table):
        paid = np.isin(np.array(table["index"].to_pylist()), end).astype(np.float32)
        at = table.column_names.index("next.reward")
        return table.set_column(at, "next.reward", pa.array(paid))

    data = imported(change_tables(folder, pay))
    for e, length in enumerate(LENGTHS):
        assert data.episode(e).reward.tolist() == [0.0] * (length - 1) + [1.0]


def test_a_column_that_the_list_of_episodes_lacks_is_named(tmp_path):
    folder = write(tmp_path / "arm")
    path = folder / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).drop_columns([f"videos/{TOP}/file_index"]), path)
    with pytest.raises(UserError, match=rf"file-000.parquet has no column 'videos/{TOP}/file_index'"):
        LeRobot(folder, Wishes())
    assert list(LeRobot(folder, Wishes(keys=["state"])).task_spec.observation) == ["state"]


def test_pointers_of_git_lfs_are_told_as_such(tmp_path):
    folder = write(tmp_path / "arm")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n"
    for name in (f"videos/{TOP}/chunk-000/file-001.mp4", "data/chunk-000/file-000.parquet", "meta/tasks.parquet"):
        (folder / name).write_text(pointer)
        with pytest.raises(UserError, match=r"is a Git LFS pointer, .* git -C .*arm lfs pull"):
            imported(folder)
    (folder / "meta/info.json").write_text(pointer)
    with pytest.raises(UserError, match="is a Git LFS pointer"):
        LeRobot(folder, Wishes())


def test_a_download_in_hugging_face_s_cache_is_read_through_its_links(tmp_path):
    folder = write(tmp_path / "datasets--a--arm/snapshots/0123abcd")
    blobs = tmp_path / "datasets--a--arm/blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(p for p in folder.rglob("*") if p.is_file())):
        path.rename(blobs / str(number))
        path.symlink_to(os.path.relpath(blobs / str(number), path.parent))
    np.testing.assert_array_equal(rows(imported(folder)), STATE)


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (
            [[0.0]] + [[0.0, 0.0]] * 11,
            "episode 0 of .* has 1 numbers of action in frame 0, where meta/info.json says 2",
        ),
        ([[0.0] * 2] * 7 + [[0.0], [0.0] * 3] + [[0.0] * 2] * 3, "episode 1 of .* has 1 numbers of action in frame 0"),
        ([[0.0] * 2] * 9 + [None] + [[0.0] * 2] * 2, "episode 1 of .* has no value of action in frame 2"),
        ([[0.0] * 2] * 9 + [[0.0, None]] + [[0.0] * 2] * 2, "episode 1 of .* has no value of action in frame 2"),
        ([["a", "b"]] * 12, "episode 0 of .* has action of type string, where numbers are expected"),
    ],
)
def test_rows_that_hold_something_else_are_told_with_episode_and_frame(tmp_path, lists, said):
    folder = write(tmp_path / "arm")
    path = folder / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index("action"), "action", pa.array(lists)), path)
    with pytest.raises(UserError, match=said):
        imported(folder)
    assert [p.name for p in tmp_path.iterdir()] == ["arm"]
    assert len(imported(folder, without=(0, 1))) == 1  # what is left out is not looked at, in the same file either
