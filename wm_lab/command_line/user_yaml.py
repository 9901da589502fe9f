"""YAML of the user's, looked through before Hydra reads it: one mapping, of a size that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

BYTES = 2**22
NODES = 100_000
"""Values, those of aliases counted wherever they are put in: nine lines can stand for a billion."""

DEEPEST = 50

Reader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def flaw(file: Path) -> str | None:
    """What keeps a file from being read as a configuration, as the end of a sentence that its name begins."""
    try:
        _read_through(file)
    except UnicodeDecodeError:
        return "is no text in UTF-8; write it anew"
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" in line {error.problem_mark.line + 1}"
        return f"is no YAML{line}: {error.problem or error.context}"
    except yaml.YAMLError as error:
        return f"is no YAML: {' '.join(str(error).split())}"
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _read_through(file: Path) -> None:
    """Follow what the file says without making anything of it."""
    if file.stat().st_size > BYTES:
        raise ValueError(f"has {file.stat().st_size} bytes, and a configuration at most {BYTES}; is it another file's?")
    size, sizes, open_ones = 0, dict[str, int](), list[tuple[str | None, int]]()
    for event in _one_mapping(yaml.parse(file.read_text(encoding="utf-8"), Loader=Reader)):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in open_ones}:
                raise ValueError(f"holds itself: *{event.anchor} stands within &{event.anchor}; take it out")
            size += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            sizes[event.anchor or ""] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((event.anchor, size))
            size += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_ones.pop()
            sizes[anchor or ""] = size - before
        if len(open_ones) > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} deep; make it flatter")
        if size > NODES:
            raise ValueError(f"stands for more than {NODES} values, its aliases written out; make it smaller")


def _one_mapping(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """The same events; ValueError where they are not of one document that is a mapping."""
    documents, has_root = 0, False
    for event in events:
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1:
            raise ValueError("holds several documents; keep one, without lines of ---")
        if isinstance(event, yaml.NodeEvent) and not has_root:
            has_root = True
            if not isinstance(event, yaml.MappingStartEvent):
                raise ValueError("is no mapping; a configuration is written in lines of NAME: VALUE")
        yield event
