from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.tracking.wandb_server import KEY


@pytest.fixture
def logged_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A key in the environment; wandb reads the environment once a session, so each test gets a session."""
    import wandb

    wandb.teardown()
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield monkeypatch
    with suppress(ConnectionError):  # of a service that a server's answer has killed
        wandb.teardown()
