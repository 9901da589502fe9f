from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.entry.command import SMALL, Ended, wm_lab


class Lab(NamedTuple):
    """A folder in which one small run has been finished."""

    folder: Path
    ended: Ended


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    return Lab(folder, wm_lab(folder, *SMALL))
