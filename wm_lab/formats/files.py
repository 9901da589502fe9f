"""Files of a dataset that a stranger made: inside its folder, there in full, and no larger than makes sense."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from wm_lab.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec"
"""How a file begins that Git LFS put in the place of another."""

PLACE = re.compile(r"\{(\w+)(?::0(\d)d)?\}")
"""In a pattern of paths: {name}, or {name:03d} for a number with leading zeros. Python's own format strings can do
more, such as fill memory or read attributes."""

LONGEST_PATH = 4096
"""Characters; file systems allow no more."""

DEEPEST = 30
"""Objects within objects."""

MOST_JSON = 256 << 20
"""Bytes. Metadata of 100,000 episodes take some 20 MiB."""


def file_in(folder: Path, name: str) -> Path:
    """The file `name` of a dataset; UserError unless it lies in the dataset's folder, as itself or by a link, whole."""
    if len(name) > LONGEST_PATH:
        raise UserError(f"{folder} names a file in {len(name):,} characters, {shortened(name)}; copy the dataset again")
    path = folder / name
    try:
        real, roots = path.resolve(), _roots(folder)
        if not any(real.is_relative_to(root) for root in roots):
            raise UserError(
                f"{shortened(path)} leads outside its dataset's folder, to {shortened(real)}, and was not opened; copy "
                "the file itself into the folder if you trust it"
            )
        if not real.exists():
            raise UserError(f"{shortened(path)} is missing; copy the dataset again")
        if not real.is_file():
            raise UserError(f"{shortened(path)} is not a plain file; copy the dataset again")
        with real.open("rb") as file:
            first = file.read(len(POINTER))
    except (OSError, ValueError, RuntimeError) as error:  # names too long, null bytes, links in a circle, no permission
        raise UserError(f"{shortened(path)} cannot be read ({shortened(error)}); copy the dataset again") from None
    if first == POINTER:
        raise UserError(
            f"{path} is a Git LFS pointer, which stands for a file that was not fetched; fetch all of them with: "
            f"git -C {folder} lfs pull"
        )
    return path


def fill(pattern: str, places: Mapping[str, int | str], told: str) -> str:
    """A pattern of paths with its places filled; UserError, naming where it was `told`, if it has others."""
    if odd := [name for name, _ in PLACE.findall(pattern) if name not in places]:
        raise UserError(
            f"{told}={shortened(repr(pattern))} asks for {{{shortened(odd[0])}}}; known: {', '.join(places)}"
        )
    if {"{", "}"} & set(PLACE.sub("", pattern)):
        known = ", ".join(f"{{{name}}}" for name in places)
        raise UserError(f"{told}={shortened(repr(pattern))} is no pattern of paths, with places such as {known}")
    return PLACE.sub(lambda found: _put(places[found[1]], found[2]), pattern)


def read_json(path: Path) -> Any:
    """What a JSON file says; UserError where it is damaged, or nested deeper than anything that is meant."""
    told = _parsed(_text(path), path, "")
    level, depth = [told], 0
    while level := [part for value in level for part in _parts(value)]:
        depth += 1
        if depth > DEEPEST:
            raise UserError(f"{path} is damaged (it is nested more than {DEEPEST} deep); copy the dataset again")
    return told


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.strip():
            row = _parsed(line, path, f"line {number}: ")
            if not isinstance(row, dict):
                raise UserError(f"{path} is damaged (line {number} is no object); copy the dataset again")
            yield row


def _parts(value: Any) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_JSON:
        raise UserError(f"{path} is larger than {MOST_JSON >> 20} MiB, which no description of a dataset is")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({shortened(error)}); copy the dataset again") from None


def _parsed(text: str, path: Path, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({where}{shortened(error)}); copy the dataset again") from None


def _roots(folder: Path) -> list[Path]:
    """Where files of the dataset may lie. Hugging Face's cache keeps a download as links to blobs beside it."""
    real = folder.resolve()
    blobs = real.parent.parent / "blobs"
    return [real, blobs] if real.parent.name == "snapshots" and blobs.is_dir() else [real]


def _put(value: int | str, digits: str) -> str:
    return f"{value:0{digits}d}" if digits and isinstance(value, int) else str(value)


def shortened(said: object) -> str:
    """Of what a stranger wrote, what fits a sentence: on one line, and nothing that steers a terminal."""
    line = " ".join(str(said)[:10_000].split()) or repr(said)[:200]
    line = "".join(sign if sign.isprintable() else "?" for sign in line)
    return line if len(line) <= 200 else line[:200] + "…"
