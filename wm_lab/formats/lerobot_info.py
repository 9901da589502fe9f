"""meta/info.json of a LeRobot folder, checked: what a dataset says of itself before anything else of it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wm_lab.errors import UserError
from wm_lab.formats.files import file_in, fill, read_json, shortened
from wm_lab.formats.lerobot_layout import CHUNK_FILES, INFO

OLDEST, NEWEST = (2, 0), (3, 0)
"""Versions of the format that are read."""

FASTEST = 1e6
"""Frames a second that a recording may claim."""

MOST_NUMBERS = 2**31
"""Of one feature in one frame."""

MOST_FEATURES = 10_000

DEEPEST = 4
"""Groups within groups that names of numbers are looked for in."""

CAMERAS = ("video", "image")
NUMBERS = ("float", "int", "uint", "bool")


@dataclass(frozen=True)
class Feature:
    """One column of the frames, or a camera."""

    name: str
    kind: str  # "float32", "video", "image", "string", ...
    facts: Mapping[str, Any]  # all that info.json says of it

    @property
    def is_camera(self) -> bool:
        return self.kind in CAMERAS and not self.is_depth

    @property
    def is_vector(self) -> bool:
        return self.kind.startswith(NUMBERS)

    @property
    def is_depth(self) -> bool:
        told = [self.facts.get(word) for word in ("video_info", "info")]
        words = ("is_depth_map", "video.is_depth_map")
        return any(isinstance(facts, dict) and facts.get(word) for facts in told for word in words)

    @property
    def shape(self) -> tuple[int, ...]:
        """UserError where it says none, or one that nothing has."""
        shape = self.facts.get("shape")
        sides: list[Any] = shape if isinstance(shape, list) and len(shape) < 8 else [0]
        if not all(type(side) is int and side > 0 for side in sides) or math.prod(sides) > MOST_NUMBERS:
            raise UserError(
                f"meta/info.json says shape={shortened(repr(shape))} of the feature {self.name}, and a shape is a list "
                "of whole numbers such as [7]; correct it"
            )
        return tuple(sides)

    @property
    def size(self) -> int:
        """How many numbers a frame has of it."""
        return math.prod(self.shape)

    @property
    def picture(self) -> tuple[int, int, int]:
        """(height, width, 3) of a camera, whose channels come last, or first in old recordings."""
        shape = self.shape
        if len(shape) != 3 or not {shape[0], shape[-1]} & {1, 3, 4}:
            raise UserError(
                f"meta/info.json says shape={list(shape)} of the camera {self.name}, and a picture's is "
                "[height, width, 3]; correct it"
            )
        height, width = shape[:2] if shape[-1] in (1, 3, 4) else shape[1:]
        return height, width, 3

    @property
    def names(self) -> list[str] | None:
        """What its numbers are called, such as joints; None where nobody said, or not of every one of them."""
        found = list(_names(self.facts.get("names"), "", 0))
        return found if len(found) == self.size and len(set(found)) == len(found) else None


def names_of(columns: Mapping[str, Feature]) -> list[str]:
    """What the numbers of some columns side by side are called; empty where nobody said it of any of them."""
    if not any(feature.names for feature in columns.values()):
        return []
    parts = {key: f.names or [f"{key}.{i}" for i in range(f.size)] for key, f in columns.items()}
    plain = [name for names in parts.values() for name in names]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{key}.{name}" for key, names in parts.items() for name in names]


@dataclass(frozen=True)
class Info:
    """What meta/info.json says."""

    folder: Path
    version: tuple[int, int]
    fps: float
    robot: str | None
    episodes: int | None  # how many there should be
    chunk: int  # episodes in a folder, before v3
    data_path: str
    video_path: str | None
    features: dict[str, Feature]

    @property
    def is_old(self) -> bool:
        """Before v3, when every episode had files of its own."""
        return self.version < (3, 0)

    def data_file(self, **places: int) -> Path:
        return file_in(self.folder, fill(self.data_path, places, "data_path in meta/info.json"))

    def video_file(self, camera: str, **places: int) -> Path:
        if self.video_path is None:
            raise UserError(f"{self.folder / INFO} lacks video_path, and {camera} is a video; copy the dataset again")
        return file_in(
            self.folder, fill(self.video_path, {"video_key": camera, **places}, "video_path in meta/info.json")
        )


def read_info(folder: Path) -> Info:
    """UserError, naming the field, where one is missing or makes no sense."""
    path = file_in(folder, INFO)
    told = read_json(path)
    if not isinstance(told, dict):
        raise UserError(f"{path} is damaged (it is no object); copy the dataset again")
    told = {name: value for name, value in told.items() if value is not None}
    version = _version(folder, told.get("codebase_version"))
    if missing := sorted({"fps", "data_path", "features"} - told.keys()):
        raise UserError(f"{path} lacks {', '.join(missing)}, which every LeRobot dataset has; copy it again")
    _require_kinds(path, told)
    return Info(
        folder,
        version,
        float(told["fps"]),
        shortened(told["robot_type"]) if "robot_type" in told else None,
        told.get("total_episodes"),
        told.get("chunks_size", CHUNK_FILES),
        told["data_path"],
        told.get("video_path"),
        {name: _feature(path, name, facts) for name, facts in told["features"].items()},
    )


def _require_kinds(path: Path, told: Mapping[str, Any]) -> None:
    """UserError where a field is not of the kind that every dataset has there."""

    def wrong(name: str, wanted: str) -> UserError:
        return UserError(f"{path} says {name}={shortened(repr(told[name]))}, which is no {wanted}; correct it")

    fps = told["fps"]
    if not isinstance(fps, (int, float)) or isinstance(fps, bool) or not 0 < fps <= FASTEST:
        raise wrong("fps", "frame rate")
    for name in ("total_episodes", "chunks_size"):
        if name in told and (type(told[name]) is not int or told[name] < 1):
            raise wrong(name, "count")
    for name in ("data_path", "video_path"):
        if name in told and not isinstance(told[name], str):
            raise wrong(name, "pattern of paths")
    if not isinstance(told["features"], dict):
        raise wrong("features", "table of features")
    if len(told["features"]) > MOST_FEATURES:
        raise UserError(f"{path} lists {len(told['features']):,} features, and {MOST_FEATURES:,} are the most")


def _feature(path: Path, name: str, facts: Any) -> Feature:
    if not name.isprintable():
        raise UserError(f"{path} lists a feature {shortened(repr(name))}, whose name cannot be printed; correct it")
    if not isinstance(facts, dict) or not isinstance(facts.get("dtype"), str):
        raise UserError(f"{path} does not say the dtype of the feature {shortened(name)}; correct it")
    return Feature(name, facts["dtype"], facts)


def _version(folder: Path, told: Any) -> tuple[int, int]:
    said = str(told).removeprefix("v").split(".")
    if len(said) < 2 or not (said[0].isdecimal() and said[1].isdecimal() and len(said[0] + said[1]) < 6):
        raise UserError(
            f"{folder / INFO} says codebase_version={shortened(repr(told))}, and not a version such as v3.0"
        )
    version = (int(said[0]), int(said[1]))
    if version < OLDEST or version[0] > NEWEST[0]:
        known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        raise UserError(
            f"{folder} is of LeRobot's format {told}, and the formats {known} are read; write it anew with a lerobot "
            "of those formats"
        )
    return version


def _names(told: Any, prefix: str, depth: int) -> Iterator[str]:
    """Of the forms that datasets have: ["a", "b"], {"motors": ["a", "b"]}, {"left": ["a"], "right": ["a"]},
    {"a": 0, "b": 1}, and these within one another."""
    if isinstance(told, str):
        yield prefix + told
    elif depth > DEEPEST:
        return
    elif isinstance(told, list):
        for part in told:
            yield from _names(part, prefix, depth + 1)
    elif isinstance(told, dict):
        if all(type(place) is int for place in told.values()):
            yield from (prefix + str(name) for name in sorted(told, key=lambda name: told[name]))
        else:
            for group, part in told.items():
                yield from _names(part, f"{prefix}{group}." if len(told) > 1 else prefix, depth + 1)
