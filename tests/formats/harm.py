"""What can be done to any folder of data: parts of it are links to what lies outside, or pipes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Harm = Callable[[Path], object]


def linked(name: str, to: str) -> Harm:
    """A file or folder as a link to where it leads from the folder's own parent."""

    def harm(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(to if to.startswith("/") else folder.parent / to)

    return harm


def piped(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm
