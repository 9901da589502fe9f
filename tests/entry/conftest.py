from __future__ import annotations

import shutil
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


@pytest.fixture
def furnished(lab, tmp_path) -> Path:
    """A folder of the test's own with all that the small run made."""
    shutil.copytree(lab.folder / "outputs" / "store", tmp_path / "outputs" / "store")
    return tmp_path
