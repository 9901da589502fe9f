"""Which format a path is of, and the source to read it with."""

from __future__ import annotations

from pathlib import Path

from wm_lab.errors import UserError
from wm_lab.formats.lerobot import LeRobot, is_lerobot
from wm_lab.formats.minari import Minari, is_minari
from wm_lab.formats.own import Own, is_own
from wm_lab.formats.robomimic import Robomimic, is_robomimic
from wm_lab.formats.source import Source, Wishes


def open_source(path: Path, wishes: Wishes | None = None) -> Source:
    """The dataset at `path`, whatever its format; UserError where it is of none that the lab knows, or damaged."""
    wishes = wishes or Wishes()
    try:
        path.stat()
    except OSError as error:
        raise UserError(f"there is no dataset at {path} ({error.strerror}); correct the path") from None
    if wishes.map and (is_own(path) or not is_lerobot(path)):
        raise UserError(f"--map names columns of a LeRobot folder, and {path} is none; leave it out")
    if is_own(path):
        return Own([path], wishes.hz)
    if is_lerobot(path):
        return LeRobot(path, wishes)
    if is_minari(path):
        return Minari(path, wishes)
    if is_robomimic(path):
        return Robomimic(path, wishes)
    raise UserError(
        f"{path} is no dataset that the lab knows: not its own (manifest.json), LeRobot's (meta/info.json), Minari's "
        "(data/main_data.hdf5) or robomimic's (an HDF5 file with the group data)"
    )
