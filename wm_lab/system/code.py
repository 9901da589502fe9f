"""Which code runs: by this, what was found out with one version of it is not believed of another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import wm_lab


def code_hash(folders: Iterable[Path] = ()) -> str:
    """16 hexadecimal digits that change with any line of the lab's code, and of a user's own in `folders`."""
    digest = _own().copy()
    for folder in folders:
        _add(digest, sorted(folder.glob("*.py")))
    return digest.hexdigest()[:16]


@lru_cache(1)
def _own() -> hashlib._Hash:
    """Of the lab's code as this process found it."""
    digest = hashlib.sha256()
    _add(digest, sorted(Path(wm_lab.__file__).parent.rglob("*.py")))
    return digest


def _add(digest: hashlib._Hash, files: Iterable[Path]) -> None:
    for file in files:
        digest.update(file.name.encode() + file.read_bytes())
