"""Reads a Weights & Biases offline file back: a log of protobuf records in LevelDB's block format."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 32768  # bytes; no chunk crosses a block's end
HEADER = struct.Struct("<IHB")  # checksum, length, kind of chunk
FILE_HEADER = 7  # b":W&B" and a version
FULL, FIRST, LAST = 1, 2, 4


@dataclass
class OfflineRun:
    """What a user would see of the run after uploading it."""

    id: str = ""
    group: str = ""
    job_type: str = ""
    name: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def read_offline_run(folder: Path) -> OfflineRun:
    """The only offline run below a run folder."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    return read_run_file(file)


def read_run_file(file: Path) -> OfflineRun:
    """What the client keeps of a run on disk, be it online or offline."""
    run = OfflineRun()
    for record in _records(file.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.id, run.group, run.job_type = record.run.run_id, record.run.run_group, record.run.job_type
            run.name, run.tags = record.run.display_name, list(record.run.tags)
            run.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            run.history.append(_items(record.history.item))
        elif kind == "summary":
            run.summary |= _items(record.summary.update)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    return run


def _items(items: Any) -> dict[str, Any]:
    """Values by name; media are sent piece by piece, each under a path of names."""
    values: dict[str, Any] = {}
    for item in items:
        *path, name = item.nested_key or [item.key]
        place = values
        for part in path:
            place = place.setdefault(part, {})
        place[name] = json.loads(item.value_json)
    return values


def _records(content: bytes) -> Iterator[Any]:
    """Records up to where a kill cut the file."""
    from wandb.proto.wandb_internal_pb2 import Record

    position, message = FILE_HEADER, b""
    while position + HEADER.size <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEADER.size:
            position += left
            continue
        _, length, kind = HEADER.unpack_from(content, position)
        position += HEADER.size
        if kind == 0 or position + length > len(content):
            return
        chunk = content[position : position + length]
        position += length
        message = chunk if kind in (FULL, FIRST) else message + chunk
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(message)
            yield record
