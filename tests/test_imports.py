"""Which module imports which: no two need one another, not even for a type."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import wm_lab

PACKAGE = Path(wm_lab.__file__).parent


def name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(nodes: list[ast.stmt]) -> Iterator[str]:
    """What a module names when it is imported or checked: all but what its functions import late."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imported([inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)])


def arrows(package: Path) -> dict[str, set[str]]:
    files = {name(file): file for file in package.rglob("*.py")}
    found = {}
    for module, file in files.items():
        if module == package.name:
            continue  # what it offers is imported late, and named there for type checkers alone
        whole = imported(ast.parse(file.read_text(encoding="utf-8")).body)
        names = {full if full in files else full.rpartition(".")[0] for full in whole}
        found[module] = names & files.keys() - {module}
    return found


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter(arrows(PACKAGE)).prepare()


def test_a_circle_would_be_found():
    with pytest.raises(CycleError):
        TopologicalSorter(arrows(PACKAGE) | {"wm_lab.errors": {"wm_lab.main"}}).prepare()
