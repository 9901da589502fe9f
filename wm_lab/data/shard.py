"""The format on disk: a shard is a folder with one `.npy` file a column and a manifest that vouches for each of them.

    manifest.json            format, task specification, columns (dtype, shape, bytes, crc32), provenance
    observation.state.npy    [N, D], always; beside it every other observation key
    action.npy  reward.npy  success.npy  contact.npy  terminal.npy       [N, ...]
    episode.offset.npy  episode.length.npy  episode.seed.npy ...         [E]
    episode.instruction.npy                                              [E], where a shard holds several tasks

N counts rows: an episode of L actions owns L + 1 of them from its offset on, aligned on arrival (see `Episode`). The
manifest is written last, so a folder without one is an unfinished collection and never a dataset.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wm_lab.data.shard_check import fault_of_columns, fault_of_manifest
from wm_lab.errors import UserError
from wm_lab.system.seal import sealed, unsealed
from wm_lab.tasks.task import TaskSpec

FORMAT = "wm_lab shard"
REVISION = 1
MANIFEST = "manifest.json"
OBSERVATION = "observation."
EPISODE = "episode."
CHUNK = 1 << 24  # bytes read at a time for a checksum

STEP_COLUMNS = ("action", "reward", "success", "contact", "terminal")
EPISODE_COLUMNS = {
    "episode.offset": np.int64,  # first row
    "episode.length": np.int32,  # actions; the episode owns one row more
    "episode.seed": np.int64,
    "episode.behaviour": np.int16,  # index into the manifest's "behaviours"
    "episode.strength": np.float32,  # of the exploration noise
    "episode.round": np.int16,  # 0: the first collection; k: the planner's k-th own round
}


@dataclass(frozen=True)
class Shard:
    """An opened shard; its columns are memory-mapped and read-only."""

    folder: Path
    manifest: dict[str, Any]
    columns: dict[str, np.ndarray]

    @property
    def task_spec(self) -> dict[str, Any]:
        """The task specification in JSON's terms."""
        spec: dict[str, Any] = self.manifest["task"]
        return spec

    @property
    def behaviours(self) -> list[str]:
        """Names that "episode.behaviour" points at."""
        names: list[str] = self.manifest["behaviours"]
        return names

    @property
    def instructions(self) -> list[str]:
        """Sentences that "episode.instruction" points at, or the specification's for all episodes."""
        sentences: list[str] = self.manifest.get("instructions", [self.task_spec["instruction"]])
        return sentences

    @property
    def rows(self) -> int:
        return len(self.columns["reward"])

    @property
    def episodes(self) -> int:
        return len(self.columns["episode.length"])

    @property
    def imported(self) -> bool:
        """Whether it is a recording, imported or of a person who played, whose few episodes are counted out."""
        return not self.manifest["provenance"].keys().isdisjoint(("imported", "played"))

    @property
    def identity(self) -> int:
        """A number of what was done in it, whatever was imported of what was seen."""
        facts = self.manifest["columns"]
        return zlib.crc32((facts["action"]["crc32"] + facts["episode.length"]["crc32"]).encode())

    def solved(self) -> np.ndarray:
        """[E] bool: success was hit at least once."""
        hits = np.concatenate([[0], np.cumsum(self.columns["success"], dtype=np.int64)])
        start = self.columns["episode.offset"]
        solved: np.ndarray = hits[start + self.columns["episode.length"] + 1] > hits[start]
        return solved

    def verify(self, up_to: int | None = None) -> None:
        """Compare contents with their checksums, smallest files first until `up_to` bytes are read (None: all).

        Raises UserError with the name of the first file that differs.
        """
        left = up_to
        for name, facts in sorted(self.manifest["columns"].items(), key=lambda item: item[1]["bytes"]):
            if left is not None:
                left -= facts["bytes"]
                if left < 0:
                    return
            path = column_path(self.folder, name)
            if checksum(path) != facts["crc32"]:
                raise UserError(f"{path} is damaged (its checksum differs from the manifest's); collect it again")


def open_shard(folder: Path, verify_up_to: int | None) -> Shard:
    """Map a shard's columns, checking their sizes, types and, up to so many bytes, their contents."""
    manifest = read_manifest(folder)
    columns = {name: _open_column(folder, name, facts) for name, facts in manifest["columns"].items()}
    if fault := fault_of_columns(manifest, columns):
        raise UserError(f"{folder} {fault}; collect or import the dataset again")
    try:  # last, so that what can be said more exactly is
        manifest = unsealed(manifest)
    except ValueError as error:
        raise UserError(f"{folder / MANIFEST}: {error}; collect or import the dataset again") from None
    shard = Shard(folder, manifest, columns)
    shard.verify(verify_up_to)
    return shard


def write_manifest(
    folder: Path,
    task_spec: TaskSpec,
    behaviours: list[str],
    provenance: Mapping[str, Any],
    instructions: list[str] | None = None,
) -> None:
    """Vouch for the columns that lie in `folder`; this makes it a shard, in one atomic step."""
    columns = {}
    for path in sorted(folder.glob("*.npy")):
        column = np.load(path, mmap_mode="r")
        columns[path.name.removesuffix(".npy")] = {
            "dtype": column.dtype.str,
            "shape": list(column.shape),
            "bytes": path.stat().st_size,
            "crc32": checksum(path),
        }
    manifest = {
        "format": FORMAT,
        "revision": REVISION,
        "task": asdict(task_spec),
        "episodes": columns["episode.length"]["shape"][0],
        "rows": columns["reward"]["shape"][0],
        "behaviours": behaviours,
        "provenance": dict(provenance),
        "columns": columns,
    }
    if instructions is not None:  # otherwise the specification's holds for every episode
        manifest["instructions"] = instructions
    temporary = folder / f".{MANIFEST}"
    with temporary.open("w") as file:
        json.dump(sealed(manifest), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / MANIFEST)


def column_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def checksum(path: Path) -> str:
    """crc32 of a whole file, 8 hexadecimal digits; it guards against accidents, not against forgers."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            crc = zlib.crc32(chunk, crc)
    return f"{crc:08x}"


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a shard says of itself; UserError where it says nothing, or not what was written."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UserError(f"there is no dataset at {folder}; collect one, or correct the path")
    if not path.exists():
        raise UserError(f"{folder} holds no {MANIFEST}: it is not a dataset, or its collection never finished")
    _require_file(path, folder)
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); collect the dataset again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UserError(f"{path} does not describe a wm_lab dataset; point at a folder that wm_lab collected")
    if manifest.get("revision") != REVISION:
        raise UserError(
            f"{folder} has format revision {ascii(manifest.get('revision'))[:20]}, this wm_lab reads {REVISION}; "
            "collect it again"
        )
    missing = {"task", "columns", "behaviours", "provenance"} - set(manifest)
    columns = manifest.get("columns")
    known = columns if isinstance(columns, dict) else {}
    missing |= {f"columns.{name}" for name in (*STEP_COLUMNS, *EPISODE_COLUMNS) if name not in known}
    if missing:
        raise UserError(f"{path} lacks {', '.join(sorted(missing))}: it was changed by hand; collect the dataset again")
    if fault := fault_of_manifest(manifest):
        raise UserError(f"{path} {fault}; collect or import the dataset again")
    return manifest


def _require_file(path: Path, folder: Path) -> None:
    """UserError unless it is a plain file of this folder: no pipe, and no link that leads out."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
        plain = path.is_file()
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path} cannot be read ({error}); copy the dataset again") from None
    if not inside:
        raise UserError(f"{path} leads out of its dataset's folder, and is not opened; copy the file into the folder")
    if not plain:
        raise UserError(f"{path} is no plain file; collect the dataset again")


def _open_column(folder: Path, name: str, facts: Mapping[str, Any]) -> np.ndarray:
    path = column_path(folder, name)
    if not path.exists():
        raise UserError(f"{path} is missing; collect the dataset again")
    _require_file(path, folder)
    size = path.stat().st_size
    if size != facts["bytes"]:
        raise UserError(f"{path} is damaged: {size} bytes, its manifest says {facts['bytes']}; collect it again")
    try:
        column: np.ndarray = np.load(path, mmap_mode="r")
    except Exception as error:  # a header that is no header makes NumPy raise whatever Python's own parser does
        raise UserError(f"{path} is damaged ({str(error)[:200]!a}); collect it again") from None
    if column.dtype.str != facts["dtype"] or list(column.shape) != facts["shape"]:
        raise UserError(
            f"{path} holds {column.dtype.str} {list(column.shape)}, its manifest says {facts['dtype']} "
            f"{facts['shape']}; collect it again"
        )
    return column
