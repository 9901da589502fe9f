"""Options of a class, read off its source: names alone, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from wm_lab.command_line.folders import HERE


class Found(NamedTuple):
    """A class in the file that defines it."""

    file: Path
    code: ast.ClassDef


class PythonSource:
    """Python files by the names of their modules: the lab's own, and those in `folders` of a user's."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.roots = [HERE.parent, *folders]

    def file(self, module: str) -> Path | None:
        path = Path(*module.split("."))
        names = (path.with_suffix(".py"), path / "__init__.py")
        return next((root / name for root in self.roots for name in names if (root / name).is_file()), None)

    def find(self, module: str, name: str) -> Found | None:
        """The class that a module calls so, wherever it is defined."""
        file = self.file(module)
        return None if file is None else self._in(file, name)

    def configured(self, module: str) -> Found | None:
        """The config dataclass of the class that a module offers to YAML."""
        file = self.file(module)
        kinds = () if file is None else (*_classes(file), *_imports(file))
        found = (self.config_of(module, kind) for kind in kinds)
        return next((config for config in found if config is not None), None)

    def config_of(self, module: str, name: str) -> Found | None:
        """The dataclass that is the `Config` of a class."""
        kind = self.find(module, name)
        if kind is None:
            return None
        said = [line for line in kind.code.body if isinstance(line, ast.Assign)]
        named = (ast.unparse(line.value) for line in said if ast.unparse(line.targets[0]) == "Config")
        return next((self._in(kind.file, name) for name in named), None)

    def options(self, found: Found) -> Iterator[tuple[str, list[str]]]:
        """(option, the values it can have, where they are few) of a dataclass, those that it inherits first."""
        for base in found.code.bases:
            if (above := self._in(found.file, ast.unparse(base))) is not None:
                yield from self.options(above)
        for line in found.code.body:
            if isinstance(line, ast.AnnAssign) and not ast.unparse(line.annotation).startswith("ClassVar"):
                name, kind = ast.unparse(line.target), ast.unparse(line.annotation).removesuffix(" | None")
                inner = self._in(found.file, kind)
                if inner is not None and inner.code.decorator_list:
                    yield from ((f"{name}.{option}", values) for option, values in self.options(inner))
                else:
                    yield name, ["false", "true"] if kind == "bool" else _members(inner)

    def _in(self, file: Path, name: str) -> Found | None:
        if name in _classes(file):
            return Found(file, _classes(file)[name])
        return self.find(_imports(file)[name], name) if name in _imports(file) else None


def _members(found: Found | None) -> list[str]:
    """What an enumeration counts up."""
    if found is None or "Enum" not in map(ast.unparse, found.code.bases):
        return []
    return [str(ast.literal_eval(line.value)) for line in found.code.body if isinstance(line, ast.Assign)]


@lru_cache(256)
def _classes(file: Path) -> dict[str, ast.ClassDef]:
    return {line.name: line for line in _read(file).body if isinstance(line, ast.ClassDef)}


@lru_cache(256)
def _imports(file: Path) -> dict[str, str]:
    """{name: the module it is imported from}"""
    lines = [line for line in _read(file).body if isinstance(line, ast.ImportFrom) and line.module]
    return {alias.name: str(line.module) for line in lines for alias in line.names}


@lru_cache(256)
def _read(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ast.Module([], [])
