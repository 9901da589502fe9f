"""The blocks of docs/lesson.md run as they stand, one after another, and show what they say."""

from __future__ import annotations

import re
from typing import Any

from tests.entry.command import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)


def test_the_lesson_runs_as_written():
    blocks = BLOCK.findall((ROOT / "docs" / "lesson.md").read_text())
    assert len(blocks) == 5
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/lesson.md", "exec"), names)
    assert names["error"] < 0.5 * names["persistence"]
    assert abs(names["reached"].item()) < 0.15
    assert names["clone"].item() < 0
    assert names["left"] < 0.1
