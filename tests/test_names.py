"""A name means one thing: a reader who looks up a class or a file finds one."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wm_lab"
FILES = sorted(PACKAGE.rglob("*.py"))

DISTINCT = (
    "evaluation",
    "experiment",
    "formats",
    "launchers",
    "planners",
    "policies",
    "reports",
    "synthesis",
    "tracking",
)
"""Packages whose files have names that no other file has."""


def test_no_class_is_named_twice():
    places = defaultdict(list)
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("package", DISTINCT)
def test_no_file_shares_its_name_with_one_of_another_package(package):
    own = {file.name for file in (PACKAGE / package).glob("*.py")} - {"__init__.py"}
    others = {file.name for file in FILES if file.parent != PACKAGE / package}
    assert not own & others
