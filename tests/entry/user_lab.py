"""What a user might keep in a folder of their own: the examples of docs/extending.md, exactly as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.entry.command import ROOT

PAGE = ROOT / "docs" / "extending.md"
FILES: dict[str, str] = dict(re.findall(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.S | re.M))
"""{name of the file: its text}"""
PYTHON = [name for name in FILES if name.endswith(".py")]


def write(folder: Path) -> Path:
    """Make such a folder."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
