"""A run whose episodes and imaginations open in Rerun's viewer."""

from __future__ import annotations

import pytest

from tests.entry.command import SMALL, runs, wm_lab
from tests.extras import need
from tests.view.reader import read


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (("exercise=imagination", "scale=smoke", "model=latent_mlp"), ("state/tcp/imagined", "reward/true", "error")),
        (SMALL, ("state/tcp", "success", "action")),
    ],
)
def test_a_run_keeps_what_it_shows_as_a_recording(furnished, options, paths):
    need("rerun", "view")
    ended = wm_lab(furnished, *options, "tracking=disabled", "tracking.rerun=true", "media=false")
    assert ended.code == 0, ended.err
    (run,) = runs(furnished)
    found = read(run / "recording.rrd")
    assert {f"/{path} Scalars:scalars" for path in paths} <= found.keys()
    assert "/picture/scene EncodedImage:blob" in found and any(key.startswith("/world/goal") for key in found)
    titles = [text[0] for text in found["/sequence TextDocument:text"].values()]
    assert any("after" in title or "not solved" in title for title in titles)
