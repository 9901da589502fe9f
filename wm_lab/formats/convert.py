"""Any source as one of our datasets or as LeRobot's: written beside its place and put there when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.errors import UserError
from wm_lab.formats import lerobot_writer
from wm_lab.formats.alignment import Unreadable
from wm_lab.formats.source import Advance, Source


def import_dataset(source: Source, destination: Path, advance: Advance | None = None) -> Path:
    """Write a source as one shard of the lab's; returns `destination`, which is new.

    Raises UserError where the source is damaged or holds values that are not numbers; then nothing is left behind.
    """
    with _new_folder(destination) as folder:
        writer = ShardWriter(folder, source.rows)
        for index, episode in enumerate(source.episodes()):
            columns = step_columns([episode])
            with source.reading(index):
                _require_numbers(columns)
            writer.append(columns)
            if advance is not None:
                advance(1)
        told = {
            "format": source.format,
            "from": Path(source.name).name,
            "notes": source.notes,
            "without": sorted(source.without),
        }
        several = source.instructions if "instruction" in source.table else None
        provenance = {"imported": told} | source.origin
        writer.finish(source.lengths, source.table, source.task_spec, source.behaviours, provenance, several)
    return destination


def export_dataset(source: Source, destination: Path, advance: Advance | None = None) -> Path:
    """Write a source as a LeRobotDataset v3.0; the same promises."""
    with _new_folder(destination) as folder:
        lerobot_writer.write(source, folder, advance)
    return destination


@contextmanager
def _new_folder(destination: Path) -> Iterator[Path]:
    """A folder beside `destination` that becomes it when the block ends well, and is removed when it does not."""
    folder = _beside(destination)
    try:
        yield folder
        folder.rename(destination)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _beside(destination: Path) -> Path:
    """A new, empty folder in the same place."""
    try:
        if destination.exists() or destination.is_symlink():
            raise UserError(f"{destination} exists already; choose another folder, or remove it")
        folder = destination.with_name(f".{destination.name}.unfinished")
        shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
        folder.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{destination} cannot be made ({error.strerror}); choose another folder") from None
    return folder


def _require_numbers(columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        if values.dtype.kind == "f" and not (whole := np.isfinite(values)).all():
            step = int(np.argmin(whole.reshape(len(values), -1).all(1)))
            raise Unreadable(f"holds values of {name} that are not numbers, first after {step} steps")
