from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clusters import one_node
from tests.entry.conftest import furnished, lab
from tests.extras import need

__all__ = ["furnished", "lab", "slurm"]


@pytest.fixture(scope="session")
def slurm(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Environment variables that lead commands to a SLURM cluster of one node."""
    need("submitit", "slurm")
    need("hydra_plugins.hydra_submitit_launcher", "slurm")
    if missing := one_node.missing():
        pytest.skip(f"needs Debian's slurm-wlm and munge; there is no {', '.join(missing)}")
    with one_node.one_node(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment
