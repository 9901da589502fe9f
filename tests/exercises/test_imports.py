"""An exercise stands alone: it works with an experiment, and knows no other exercise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import wm_lab

ROOT = Path(wm_lab.__file__).parent
EXERCISES = "wm_lab.exercises"
SHARED = f"{EXERCISES}.exercise"
"""The shape that all of them have."""

NAMES = sorted(path.stem for path in (ROOT / "exercises").iterdir() if path.stem not in {"__init__", "__pycache__"})


def imported(file: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def files(name: str) -> list[Path]:
    """Of one exercise, which is a folder or a file."""
    folder = ROOT / "exercises" / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def exercise_of(module: str) -> str:
    """The exercise that a module belongs to; "" of all other modules."""
    parts = module.removeprefix(f"{EXERCISES}.").split(".")
    return parts[0] if module.startswith(f"{EXERCISES}.") else ""


def test_there_are_exercises_to_look_at():
    assert {"augmentation", "collect", "exercise", "imagination", "latent", "planning"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_exercise_imports_another(name):
    allowed = {"", name, exercise_of(SHARED)}
    found = {module for file in files(name) for module in imported(file) if exercise_of(module) not in allowed}
    assert not found, f"exercise {name} imports {sorted(found)}"


@pytest.mark.parametrize("file", sorted((ROOT / "experiment").rglob("*.py")), ids=lambda file: file.stem)
def test_an_experiment_knows_no_exercise(file):
    assert not [module for module in imported(file) if module.startswith(EXERCISES)]
