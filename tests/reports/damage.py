"""Run folders as accidents and strangers leave them.

    python -m tests.reports.damage 100 [--seed 0]

Damages one folder at a time beside two whole ones and asks for the report: the whole ones must be reported, the damaged
one as well or named with its reason; no traceback, and nothing in it that steers a terminal.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from tests.reports.test_sweep_report import write_run
from wm_lab import report

FILES = (
    "status.json",
    "result.json",
    "overrides.txt",
    "environment.json",
    "outcomes/mpc.json",
    "outcomes/bc.json",
    "outcomes",
    "outcomes/training1",
    "outcomes/training1/mpc.json",
)
PLACES = (
    ("result.json", "labels"),
    ("result.json", "labels", "planner"),
    ("result.json", "labels", "exercise"),
    ("result.json", "task"),
    ("result.json", "seed"),
    ("result.json", "verdict"),
    ("result.json", "verdicts"),
    ("result.json", "numbers"),
    ("result.json", "numbers", "manifest"),
    ("result.json", "numbers", "rows"),
    ("result.json", "numbers", "held_out"),
    ("result.json", "numbers", "held_out", "all", "variables"),
    ("result.json", "model"),
    ("result.json", "model", "parameters"),
    ("result.json", "model", "seconds"),
    ("result.json", "model", "frames_per_second"),
    ("result.json", "seconds"),
    ("status.json", "state"),
    ("status.json", "reason"),
    ("status.json", "pid"),
    ("status.json", "started"),
    ("status.json", "result"),
    ("status.json", "more"),
    ("environment.json", "packages"),
    ("environment.json", "packages", "torch"),
    ("environment.json", "cpu"),
    ("environment.json", "cores"),
    ("outcomes/mpc.json", "arm"),
    ("outcomes/mpc.json", "manifest"),
    ("outcomes/mpc.json", "manifest", "seeds"),
    ("outcomes/mpc.json", "success"),
    ("outcomes/mpc.json", "episode_return"),
    ("outcomes/mpc.json", "decision_ms"),
    ("outcomes/mpc.json", "imagined"),
    ("outcomes/mpc.json", "seed"),
)
VALUES: tuple[Any, ...] = (None, True, 0, -1, 1e308, 10**400, float("nan"), float("inf"), "", "word", [], [1, "a"], {})
VALUES += ({"a": {"b": []}}, [[[]]], "\x1b[2J\x1b]0;owned\x07", "‮right to left", "\ud800", "x" * 100_000, [1] * 100)
CONTENTS = (b"", b"\0" * 500, b"\xff\xfe{}", b"{", b"[" * 100_000, b"null", b"[]", b"7", b'"a"', b"\x1b[2J", b"{}")


def damage(folder: Path, draw: random.Random) -> str:
    """Damage a run folder, and say how."""
    kind = draw.choice((_contents, _missing, _folder_for_file, _loop, _value, _value, _value, _value, _lost))
    return kind(folder, draw)


def _contents(folder: Path, draw: random.Random) -> str:
    name, content = draw.choice(FILES), draw.choice(CONTENTS)
    _cleared(folder / name).write_bytes(content)
    return f"{name} holds {content[:20]!r}"


def _missing(folder: Path, draw: random.Random) -> str:
    name = draw.choice(FILES)
    _cleared(folder / name)
    return f"{name} is missing"


def _folder_for_file(folder: Path, draw: random.Random) -> str:
    name = draw.choice(FILES)
    _cleared(folder / name).mkdir()
    return f"{name} is an empty folder"


def _loop(folder: Path, draw: random.Random) -> str:
    name = draw.choice((*FILES, "again"))
    place = _cleared(folder / name)
    target = draw.choice((place.name, ".", "..", "/dev/zero", "/nowhere"))
    place.symlink_to(target)
    return f"{name} is a link to {target}"


def _lost(folder: Path, draw: random.Random) -> str:
    name = draw.choice(("status.json", "result.json", "outcomes/mpc.json"))
    place = folder / name
    content = place.read_bytes()
    place.write_bytes(content[: draw.randrange(len(content))])
    return f"{name} is cut short"


def _value(folder: Path, draw: random.Random) -> str:
    (name, *keys), value = draw.choice(PLACES), draw.choice(VALUES)
    content = json.loads((folder / name).read_text())
    content.pop("sha256", None)  # as a program would have written it that knows of no checksum
    node = content
    for key in keys[:-1]:
        node = node.setdefault(key, {})
    node[keys[-1]] = value
    (folder / name).write_text(json.dumps(content))
    return f"{'.'.join(keys)} of {name} is {str(value)[:20]!r}"


def _cleared(place: Path) -> Path:
    place.parent.mkdir(exist_ok=True)
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    return place


def faults(
    count: int, seed: int, folder: Path, damaged: Callable[[Path, random.Random], str] = damage
) -> Iterator[str]:
    """What a report of two whole runs and a damaged one, `count` times, should not have done."""
    draw = random.Random(seed)
    whole = folder / "whole"
    for planner, solves in (("cem", 95), ("mppi", 60)):
        write_run(whole / planner, planner, solves)
    for trial in range(count):
        bad = write_run(folder / f"trial-{trial}" / "random_shooting", "random_shooting")
        how = damaged(bad, draw)
        out = io.StringIO()
        arguments = ["wm-lab-report", str(whole), str(bad.parent), "--output", str(folder / f"page-{trial}")]
        try:
            with redirect_stdout(out), redirect_stderr(out), mock.patch.object(sys, "argv", arguments):
                report.cli()
        except SystemExit as end:
            if (bad / "status.json").is_file() or end.code != 2:
                yield f"{how}: exit code {end.code}, {out.getvalue()[-300:]}"
            continue
        except BaseException:
            yield f"{how}: {traceback.format_exc()[-1500:]}"
            continue
        told = out.getvalue()
        page = (folder / f"page-{trial}" / "report.md").read_text(encoding="utf-8")
        if "\x1b]" in told + page or "\x1b[2J" in told + page:
            yield f"{how}: steers the terminal"
        if not all(planner in page for planner in ("cem", "mppi")):
            yield f"{how}: the others are not reported"
        if (bad / "status.json").exists() and "random_shooting" not in page:
            yield f"{how}: it is not named"
        if len(told) > 60_000:
            yield f"{how}: {len(told)} characters"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = 0
        for fault in faults(arguments.count, arguments.seed, Path(folder)):
            found += 1
            print(f"FAULT {fault}", flush=True)
    print(f"{arguments.count} damaged folders, {found} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
