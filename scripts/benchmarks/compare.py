"""What was measured as a file, and two such files side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measure import Row, facts, short


def saved(rows: Sequence[Row], file: Path) -> None:
    """Write rows and the machine they were measured on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": facts(), "rows": [asdict(row) for row in rows]}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def compared(before: Path, after: Path) -> Iterator[str]:
    """A line for each difference of the machines, and one for each row that either file has."""
    old, new = (json.loads(file.read_text(encoding="utf-8")) for file in (before, after))
    for fact in sorted(old["machine"].keys() | new["machine"].keys()):
        one, other = old["machine"].get(fact), new["machine"].get(fact)
        if one != other:
            yield f"{fact}: {one} before, {other} after"
    values = [{row["name"]: row for row in each["rows"]} for each in (old, new)]
    yield f"{'measured':<58}{'before':>12}{'after':>12}{'after / before':>16}"
    for name in dict.fromkeys([*values[0], *values[1]]):
        one, other = (found.get(name) for found in values)
        ratio = f"{other['value'] / one['value']:.3f}" if one and other and one["value"] else ""
        yield f"  {name:<56}{_shown(one):>12}{_shown(other):>12}{ratio:>16}".rstrip()


def _shown(row: dict[str, Any] | None) -> str:
    return "" if row is None else f"{short(row['value'])} {row['unit']}".strip()
