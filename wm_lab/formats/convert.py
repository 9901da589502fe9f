"""Any source as one of our datasets or as LeRobot's: written beside its place and put there when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wm_lab.data.shard_writer import ShardWriter, step_columns
from wm_lab.errors import UserError
from wm_lab.formats import lerobot_writer
from wm_lab.formats.source import Source

Advance = Callable[[int], object]


def import_dataset(source: Source, destination: Path, advance: Advance | None = None) -> Path:
    """Write a source as one shard of the lab's; returns `destination`, which must not exist yet.

    Raises UserError where the source is damaged; then nothing is left behind.
    """
    with _new_folder(destination) as folder:
        writer = ShardWriter(folder, source.rows)
        for episode in source.episodes():
            writer.append(step_columns([episode]))
            if advance is not None:
                advance(1)
        provenance = {"imported": {"format": source.format, "from": Path(source.name).name, "notes": source.notes}}
        writer.finish(source.lengths, source.table, source.card, source.behaviours, provenance | source.origin)
    return destination


def export_dataset(source: Source, destination: Path) -> Path:
    """Write a source as a LeRobotDataset v3.0; the same promises."""
    with _new_folder(destination) as folder:
        lerobot_writer.write(source, folder)
    return destination


@contextmanager
def _new_folder(destination: Path) -> Iterator[Path]:
    """A folder beside `destination` that becomes it when the block ends well, and is removed when it does not."""
    if destination.exists():
        raise UserError(f"{destination} exists already; choose another folder, or remove it")
    folder = destination.with_name(f".{destination.name}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    try:
        folder.mkdir(parents=True)
        yield folder
        folder.rename(destination)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
