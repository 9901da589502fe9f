"""Where the YAML of choices lies: the lab's own, and the folders that a user adds."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parents[1]
CONF = next((f for f in (HERE / "conf", HERE.parent / "conf") if (f / "config.yaml").is_file()), HERE / "conf")
"""Inside an installed wheel, or beside the package in a checkout, where a user edits it."""


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """The folders named by `--config-dir`."""
    found = []
    for argument, following in pairwise([*arguments, ""]):
        option, _, value = argument.partition("=")
        if option in ("--config-dir", "-cd"):
            found.append(Path(value or following).absolute())
    return found


def share_user_code(folders: Sequence[Path]) -> None:
    """Python files beside the YAML of `--config-dir` can be imported, here and in worker processes."""
    names = [str(folder) for folder in folders]
    sys.path[:0] = names
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [*names, os.environ.get("PYTHONPATH", "")]))
