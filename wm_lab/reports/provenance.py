"""What was run, where, and on which episodes: all that a stranger needs to have the same numbers again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wm_lab.evaluation.manifest import Manifest
from wm_lab.reports.runs import RunRecord
from wm_lab.reports.tables import Table
from wm_lab.store import Used

VERSIONS = ("torch", "mujoco", "numpy")
"""Packages that numbers depend on most; environment.json has them all."""


def run_table(record: RunRecord, manifests: Iterable[Manifest], seconds: Mapping[str, float]) -> Table:
    """One run: its command, episodes, machine, versions and code; `seconds` is what each piece of work took."""
    hardware, device, physics, versions, git = _where(record.environment)
    took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()) or "nothing: all was in the store"
    rows = [
        ("command", record.command),
        *(("episodes", _episodes(manifest)) for manifest in dict.fromkeys(manifests)),
        ("began", record.started),
        ("took", took),
        ("machine", f"{hardware}, device {device}"),
        ("versions", f"{versions}, physics {physics}"),
        ("git", git),
    ]
    return Table("What was run", ("what", "value"), rows, frozenset(("what", "value")), prose=frozenset({"value"}))


def used_table(used: Sequence[Used], store: Path) -> Table:
    """What a run worked with, and where that lies."""
    rows = [(each.what, str(each.seed), each.place) for each in used]
    caption = f"Places are below the store, {store}. wm-lab-store lists, checks and prunes it."
    return Table("What was used", ("what", "seed", "place"), rows, frozenset({"what", "place"}), caption)


MAIN = ("world model", "clone", "collection", "recording", "demonstrations")
"""What the end of a run tells on the terminal; the page tells all."""


def main_artifacts(used: Sequence[Used], store: Path) -> dict[str, Path]:
    """{what: where} of the first training's model, clone and data."""
    first = min((each.seed for each in used), default=0)
    return {each.what: store / each.place for each in used if each.what in MAIN and each.seed == first}


def where_table(records: Sequence[RunRecord]) -> Table:
    """Machines and versions behind the numbers of a sweep: one row where all agree."""
    kinds: dict[tuple[str, ...], int] = {}
    for record in records:
        row = _where(record.environment)
        kinds[row] = kinds.get(row, 0) + 1
    columns = ("hardware", "device", "physics", "versions", "git", "runs")
    rows = [(*row, str(count)) for row, count in kinds.items()]
    return Table("Where", columns, rows, frozenset(columns[:-1]), prose=frozenset({"hardware", "versions"}))


def manifests_table(manifests: Iterable[Manifest]) -> Table:
    """Every list of episodes that was played; only arms of one row are ever compared."""
    columns = ("task", "manifest", "episodes", "split", "step budget", "success test", "physics")
    rows = [
        (m.task, m.hash, str(len(m)), m.split, str(m.step_budget), m.success_test, m.physics)
        for m in sorted(dict.fromkeys(manifests), key=lambda m: (m.task, -len(m)))
    ]
    left = frozenset(columns) - {"episodes", "step budget"}
    caption = "Arms are compared on one manifest alone; the shorter one of a task begins the longer one."
    return Table("Episodes", columns, rows, left, caption, prose=frozenset({"success test"}))


def _episodes(m: Manifest) -> str:
    return (
        f"{len(m)} of split {m.split}, at most {m.step_budget} steps each, success {m.success_test}, manifest {m.hash}"
    )


def _where(environment: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Hardware, device, physics, versions, git."""
    packages = environment.get("packages", {})
    versions = [f"wm_lab {environment.get('wm_lab', '?')}", f"python {environment.get('python', '?')}"]
    versions += [f"{name} {packages[name]}" for name in VERSIONS if name in packages]
    git = environment.get("git") or {}
    return (
        f"{environment.get('cpu', '?')}, {environment.get('cores', '?')} cores",
        str(environment.get("device", "–")),
        str(environment.get("physics", "–")),
        ", ".join(versions),
        str(git.get("commit", "–"))[:10] + (" + changes" if git.get("dirty") else ""),
    )
