from __future__ import annotations

import pytest

from tests.synthesis.point_lab import PointLab


@pytest.fixture(scope="session")
def lab(tmp_path_factory) -> PointLab:
    return PointLab.at(tmp_path_factory.mktemp("store"))
