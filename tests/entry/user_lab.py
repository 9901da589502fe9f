"""What a user might keep in a folder of their own: the examples of a page of the docs, exactly as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.entry.command import ROOT

FILE = re.compile(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", re.S | re.M)


def files(page: str) -> dict[str, str]:
    """{name of the file: its text} of docs/`page`.md."""
    return dict(FILE.findall((ROOT / "docs" / f"{page}.md").read_text()))


PYTHON = [name for page in ("extending", "tasks") for name in files(page) if name.endswith(".py")]


def write(folder: Path, page: str = "extending") -> Path:
    """Make such a folder."""
    for name, text in files(page).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder
