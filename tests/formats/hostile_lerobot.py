"""LeRobot folders that mean harm or were harmed: what is done to a sound one, by name, and at random.

Beside every folder lies `outside/`, with a sound table, image, video and description that nobody may read.
"""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.formats.harm import Harm, linked, piped
from tests.formats.recording import TOP, change_features, change_info, change_tables, film, pa, pq, read_info, rename

TABLE, EPISODES, TASKS = (
    "data/chunk-000/file-000.parquet",
    "meta/episodes/chunk-000/file-000.parquet",
    "meta/tasks.parquet",
)
VIDEO = f"videos/{TOP}/chunk-000/file-000.mp4"


def outside(folder: Path) -> Path:
    return folder.parent / "outside"


def lay_bait(folder: Path) -> None:
    """What lies outside, as good as what is inside."""
    shutil.copytree(folder, outside(folder))
    Image.fromarray(np.full((32, 32, 3), 77, np.uint8)).save(outside(folder) / "secret.png")


def told(**changes: Any) -> Harm:
    return lambda folder: change_info(folder, **changes)


def written(name: str, content: bytes | str) -> Harm:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def featured(**changes: Any) -> Harm:
    return lambda folder: change_features(folder, **changes)


def renamed(old: str, new: str) -> Harm:
    """A feature by another name, in info.json alone."""

    def harm(folder: Path) -> None:
        features = {new if name == old else name: facts for name, facts in read_info(folder)["features"].items()}
        change_info(folder, features=features)

    return harm


def column(path: str, name: str, values: Callable[[int], Any]) -> Harm:
    """A column of a table with other values, made for its number of rows."""

    def harm(folder: Path) -> None:
        table = pq.read_table(folder / path)
        table = table.drop_columns([name]) if name in table.column_names else table
        pq.write_table(table.append_column(name, values(len(table))), folder / path)

    return harm


def twice(path: str, name: str) -> Harm:
    def harm(folder: Path) -> None:
        table = pq.read_table(folder / path)
        pq.write_table(table.append_column(name, table.column(name)), folder / path)

    return harm


def bomb(path: str, **columns: Callable[[], Any]) -> Harm:
    """A table of runs, which a few bytes can hold."""
    return lambda folder: pq.write_table(pa.table({name: make() for name, make in columns.items()}), folder / path)


def pictured(content: bytes | None, path: str | None = None) -> Harm:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return column(TABLE, TOP, lambda n: pa.array([{"bytes": content, "path": path}] * n, kind))


def huge_png() -> bytes:
    kept = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(kept, "png")
    return kept.getvalue()


def nested(depth: int) -> Any:
    kind: Any = pa.int64()
    for _ in range(depth):
        kind = pa.struct([("a", kind)])
    return kind


def ours(**changes: Any) -> Harm:
    """A folder as if the lab had written it: actions in [-1, 1], and what it keeps beside."""

    def still(table: Any) -> Any:
        at = table.column_names.index("action")
        return table.set_column(at, "action", pa.array([[0.5, -0.5]] * len(table)))

    def harm(folder: Path) -> None:
        change_tables(folder, still)
        beside(**changes)(folder)

    return harm


def beside(**changes: Any) -> Harm:
    """What the lab keeps beside LeRobot's description."""
    task_spec = {
        "name": "hand/reach",
        "observation": {"state": [3]},
        "action_size": 2,
        "episode_steps": 9,
        "control_hz": 10,
        "tags": [],
        "instruction": "",
        "success_test": "",
        "physics": "",
        "variables": [],
        "settings": {},
    }
    whole = {"task": task_spec, "behaviours": ["a"], "provenance": {}}
    keys = {name: value for name, value in changes.items() if name in whole}
    whole |= {"task": task_spec | {name: value for name, value in changes.items() if name not in whole}} | keys
    return written("meta/wm_lab.json", json.dumps(whole))


def deep(levels: int) -> Any:
    told: Any = 0
    for _ in range(levels):
        told = {"a": told}
    return told


def traversing_fact(folder: Path) -> None:
    """A fact of every episode whose name leads out of the folder that it is written to."""
    ours()(folder)
    column(EPISODES, "wm_lab/../../../evil", lambda n: pa.array([0] * n))(folder)


def traversing_vector(folder: Path) -> None:
    """A vector of the lab's own whose name leads out."""
    ours()(folder)
    rename(folder, {"observation.environment_state": "observation.../../../evil"})


def million_episodes(folder: Path) -> None:
    """Episodes without end, whose numbers a few bytes can hold."""
    n = 1_000_001
    places = {name: zeros(n)() for name in ("length", "data/chunk_index", "data/file_index")}
    table = pa.table({"episode_index": pa.array(np.arange(n)), **places})
    change_info(folder, features={name: f for name, f in read_info(folder)["features"].items() if name != TOP})
    packed = {"episode_index": "DELTA_BINARY_PACKED"}
    pq.write_table(table, folder / EPISODES, use_dictionary=False, column_encoding=packed)


def old_version(folder: Path, **changes: Any) -> None:
    change_info(folder, codebase_version="v2.1", chunks_size=1000, **changes)
    lines = [{"episode_index": e, "length": 5, "tasks": ["a"]} for e in range(3)]
    (folder / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, lines)))


def zeros(n: int) -> Callable[[], Any]:
    return lambda: pa.array(np.zeros(n, np.int64))


def wide(rows: int) -> Any:
    """Hundreds of thousands of numbers a row."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(rows * 300_000, np.int8)), 300_000)


OF_VIDEOS: dict[str, Harm] = {
    # Places
    "data_path with ..": told(data_path="../outside/" + TABLE),
    "data_path absolute": lambda folder: change_info(folder, data_path=str(outside(folder) / TABLE)),
    "data_path of a device": told(data_path="/dev/zero"),
    "data_path of the folder": told(data_path="data"),
    "data_path with a null byte": told(data_path="data/\0.parquet"),
    "data_path of 100,000 letters": told(data_path="a/" * 50_000),
    "data_path that fills memory": told(data_path="{chunk_index:999999999d}"),
    "data_path that reads attributes": told(data_path="{chunk_index.__class__.__mro__}"),
    "data_path by number": told(data_path="{0}"),
    "data_path half open": told(data_path="data/{"),
    "data_path converted": told(data_path="{chunk_index!r:>9}"),
    "data_path null": told(data_path=None),
    "data_path a list": told(data_path=["a"]),
    "video_path with ..": told(video_path="../outside/" + VIDEO),
    "video_path absolute": lambda folder: change_info(folder, video_path=str(outside(folder) / VIDEO)),
    "video_path of a protocol": told(video_path="concat:/etc/passwd|/etc/passwd"),
    "video_path null": told(video_path=None),
    "a table linked": linked(TABLE, "outside/" + TABLE),
    "a video linked": linked(VIDEO, "outside/" + VIDEO),
    "videos linked": linked("videos", "outside/videos"),
    "meta linked": linked("meta", "outside/meta"),
    "the description linked": linked("meta/info.json", "outside/meta/info.json"),
    "the episodes linked": linked(EPISODES, "outside/" + EPISODES),
    "the tasks linked": linked(TASKS, "outside/" + TASKS),
    "a link in a circle": linked(TABLE, "arm/" + TABLE),
    "a link to nothing": linked(TABLE, "arm/nothing"),
    "a link to a device": linked(TABLE, "/dev/zero"),
    "a pipe as table": piped(TABLE),
    "a pipe as description": piped("meta/info.json"),
    # The description
    "fps text": told(fps="10"),
    "fps null": told(fps=None),
    "fps 0": told(fps=0),
    "fps negative": told(fps=-10),
    "fps nan": told(fps=float("nan")),
    "fps infinite": told(fps=float("inf")),
    "fps of 400 digits": told(fps=10**400),
    "fps true": told(fps=True),
    "total_episodes null": told(total_episodes=None),
    "total_episodes 1e11": told(total_episodes=10**11),
    "total_episodes of 30 digits": told(total_episodes=10**30),
    "total_episodes text": told(total_episodes="3"),
    "version null": told(codebase_version=None),
    "version a list": told(codebase_version=["v3.0"]),
    "version of 10,000 digits": told(codebase_version="v3." + "9" * 10_000),
    "robot_type a mapping": told(robot_type={"a": "b" * 10_000}),
    "features null": told(features=None),
    "features a list": told(features=["action"]),
    "features empty": told(features={}),
    "20,000 features": told(features={f"observation.{i}": {"dtype": "float32", "shape": [1]} for i in range(20_000)}),
    "a feature null": lambda folder: change_info(folder, features=read_info(folder)["features"] | {"action": None}),
    "dtype null": featured(action={"dtype": None}),
    "dtype text": featured(action={"dtype": "string"}),
    "shape null": featured(observation__state={"shape": None}),
    "shape of 10^12": featured(observation__state={"shape": [10**12]}),
    "shape of 2^31 - 1 many times": featured(observation__state={"shape": [2**31 - 1] * 500}),
    "shape negative": featured(action={"shape": [-2]}),
    "shape nested": featured(action={"shape": [[2]]}),
    "shape of another width": featured(action={"shape": [3]}),
    "a picture of two sides": featured(**{TOP.replace(".", "__"): {"shape": [32, 32]}}),
    "names of 10^5 groups": featured(action={"names": {str(i): ["a"] for i in range(100_000)}}),
    "a camera whose name leads out": renamed(TOP, "observation.images.../../../evil"),
    "a camera of 300 letters": renamed(TOP, "observation.images." + "a" * 300),
    "a vector with escapes in its name": renamed("observation.state", "observation.\x1b[2J"),
    "JSON nested 100,000 deep": written("meta/info.json", "[" * 100_000),
    "JSON with a number of 100,000 digits": written("meta/info.json", '{"fps": ' + "1" * 100_000 + "}"),
    "JSON cut off": lambda folder: written("meta/info.json", (folder / "meta/info.json").read_bytes()[:200])(folder),
    "JSON a list": written("meta/info.json", "[]"),
    "JSON in UTF-16": lambda folder: written(
        "meta/info.json", (folder / "meta/info.json").read_text().encode("utf-16")
    )(folder),
    "JSON empty": written("meta/info.json", ""),
    # Tables
    "30 million rows of nothing": bomb(TABLE, episode_index=zeros(30_000_000), action=zeros(30_000_000)),
    "lists of 300,000": column(TABLE, "action", wide),
    "a table without rows": bomb(TABLE, episode_index=zeros(0), action=zeros(0)),
    "a table that is none": written(TABLE, b"PAR1" + bytes(1000) + b"PAR1"),
    "types nested 60 deep": column(TABLE, "action", lambda n: pa.array([None] * n, nested(60))),
    "two columns of actions": twice(TABLE, "action"),
    "two columns of numbers": twice(EPISODES, "length"),
    "two columns of tasks": twice(TASKS, "task"),
    "times as times": column(TABLE, "timestamp", lambda n: pa.array([0] * n, pa.timestamp("us"))),
    "actions as text": column(TABLE, "action", lambda n: pa.array(["a"] * n)),
    "actions null": column(TABLE, "action", lambda n: pa.nulls(n)),
    "actions infinite": column(TABLE, "action", lambda n: pa.array([[np.inf, -np.inf]] * n)),
    "actions of 1e300": column(TABLE, "action", lambda n: pa.array([[1e300, -1e300]] * n)),
    "states of 1e300": column(TABLE, "observation.state", lambda n: pa.array([[1e300, 0.0, 0.0]] * n)),
    "states nan": column(TABLE, "observation.state", lambda n: pa.array([[np.nan] * 3] * n)),
    "rewards in lists": column(TABLE, "next.reward", lambda n: pa.array([[1.0, 2.0]] * n)),
    "rewards of 1e300": column(TABLE, "next.reward", lambda n: pa.array([1e300] * n)),
    "times nan": column(TABLE, "timestamp", lambda n: pa.array([np.nan] * n)),
    "times of 1e300": column(TABLE, "timestamp", lambda n: pa.array([1e300] * n)),
    "episodes scattered": column(TABLE, "episode_index", lambda n: pa.array([0, 1] * (n // 2))),
    "episodes nan": column(TABLE, "episode_index", lambda n: pa.array([np.nan] * n)),
    "episodes as text": column(TABLE, "episode_index", lambda n: pa.array(["0"] * n)),
    "tasks of 2^62": column(TABLE, "task_index", lambda n: pa.array([2**62] * n)),
    "a million episodes": million_episodes,
    "lengths of 10^18": column(EPISODES, "length", lambda n: pa.array([10**18] * n)),
    "lengths negative": column(EPISODES, "length", lambda n: pa.array([-5] * n)),
    "lengths of 1": column(EPISODES, "length", lambda n: pa.array([1] * n)),
    "lengths null": column(EPISODES, "length", lambda n: pa.nulls(n, pa.int64())),
    "files of number 10^18": column(EPISODES, "data/file_index", lambda n: pa.array([10**18] * n)),
    "files of number -1": column(EPISODES, "data/file_index", lambda n: pa.array([-1] * n)),
    "episodes numbered from 7": column(EPISODES, "episode_index", lambda n: pa.array(range(7, 7 + n))),
    "the same episode thrice": column(EPISODES, "episode_index", lambda n: pa.array([0] * n)),
    "videos that begin at nan": column(EPISODES, f"videos/{TOP}/from_timestamp", lambda n: pa.array([np.nan] * n)),
    "videos that begin at 1e300": column(EPISODES, f"videos/{TOP}/from_timestamp", lambda n: pa.array([1e300] * n)),
    "videos that begin in 20 years": column(EPISODES, f"videos/{TOP}/from_timestamp", lambda n: pa.array([6e8] * n)),
    "videos that begin before 0": column(EPISODES, f"videos/{TOP}/from_timestamp", lambda n: pa.array([-1.0] * n)),
    "tasks of a megabyte": bomb(TASKS, task=lambda: pa.array(["a" * 1_000_000]), task_index=zeros(1)),
    "20,000 tasks of a megabyte": bomb(
        TASKS,
        task=lambda: pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), ["a" * 1_000_000]),
        task_index=lambda: pa.array(range(20_000)),
    ),
    "a task that steers the terminal": bomb(TASKS, task=lambda: pa.array(["\x1b[2J"]), task_index=zeros(1)),
    "tasks without words": bomb(TASKS, task_index=zeros(1)),
    "tasks null": bomb(TASKS, task=lambda: pa.nulls(1, pa.string()), task_index=zeros(1)),
    # Videos
    "a video empty": written(VIDEO, b""),
    "a video of text": written(VIDEO, "no video at all"),
    "a video that is a list of files": written(
        VIDEO, "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile:///etc/passwd\n"
    ),
    "a video that joins files": written(VIDEO, "ffconcat version 1.0\nfile /etc/passwd\n"),
    "a video of another rate": lambda folder: film(folder / VIDEO, list(range(12)), 30),
    "a video of one frame": lambda folder: film(folder / VIDEO, [0], 10),
    # What the lab writes beside
    "our file a list": written("meta/wm_lab.json", "[]"),
    "our file null": written("meta/wm_lab.json", "null"),
    "our file nested": written("meta/wm_lab.json", "[" * 100_000),
    "our specification of other actions": ours(action_size=9),
    "our specification of text": ours(control_hz="10"),
    "our specification with an observation that is not there": ours(observation={"../evil": [3]}),
    "our specification with other variables": ours(variables=[{"name": "a", "start": 0, "stop": 99, "unit": "m"}]),
    "our specification with settings null": ours(settings=None),
    "our specification nested 900 deep": lambda folder: ours(settings=deep(900))(folder),
    "our specification that steers the terminal": ours(action_size=2, physics="\x1b[2J"),
    "our behaviours that steer the terminal": ours(behaviours=["\x1b[2J"]),
    "our specification of actions that are scaled": beside(),
    "our behaviours a number": ours(behaviours=7),
    "our behaviours none": ours(behaviours=[]),
    "our provenance of bad labels": ours(provenance={"labels": {"action": 7}}),
    "our fact whose name leads out": traversing_fact,
    "our vector whose name leads out": traversing_vector,
    # Before v3
    "an old list that is missing": told(codebase_version="v2.1"),
    "an old list of other things": lambda folder: (
        old_version(folder),
        (folder / "meta/episodes.jsonl").write_text("1\n2\n"),
    ),
    "an old list of 10^18 frames": lambda folder: (
        old_version(folder),
        (folder / "meta/episodes.jsonl").write_text('{"episode_index": 0, "length": 1000000000000000000}'),
    ),
    "an old list nested": lambda folder: (
        old_version(folder),
        (folder / "meta/episodes.jsonl").write_text("[" * 100_000),
    ),
    "chunks of 0": lambda folder: change_info(folder, codebase_version="v2.1", chunks_size=0),
    "an old data_path with ..": lambda folder: old_version(folder, data_path="../outside/{episode_index}.parquet"),
}

OF_IMAGES: dict[str, Harm] = {
    "an image outside": pictured(None, "../outside/secret.png"),
    "an image at an absolute path": lambda folder: pictured(None, str(outside(folder) / "secret.png"))(folder),
    "an image that is missing": pictured(None, "nothing.png"),
    "an image null": pictured(None),
    "an image of 400 million pixels": pictured(huge_png()),
    "an image in PostScript": pictured(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n"),
    "an image as SVG": pictured(b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "an image of text": pictured(b"nothing"),
    "images as lists": column(TABLE, TOP, lambda n: pa.array([[1, 2, 3]] * n)),
    "images as text": column(TABLE, TOP, lambda n: pa.array(["a.png"] * n)),
    "the column of images missing": lambda folder: change_tables(folder, lambda table: table.drop_columns([TOP])),
}


def at_random(folder: Path, seed: int) -> None:
    """One value somewhere in the description replaced by another, or some bytes of one file by others."""
    draw = random.Random(seed)
    if draw.random() < 0.5:
        info = read_info(folder)
        place: Any = info
        while True:
            key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], (dict, list)) or not place[key] or draw.random() < 0.3:
                break
            place = place[key]
        junk = [None, -1, 0, 1e308, 10**20, True, "", "x", "../x", [], {}, [1], {"a": 1}, float("nan"), "{x}", "\0"]
        place[key] = draw.choice(junk)
        change_info(folder, **info)
        return
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 3, 30])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    path.write_bytes(content[: draw.randrange(len(content))] if draw.random() < 0.2 else content)
