"""Modules in place of heavy packages, where code is loaded for its dataclasses alone.

Half of the time in which a configuration is shown went to load PyTorch, of which it asks nothing: classes are derived
from its classes and functions decorated by its functions, and that is all. What a stand-in cannot do raises an error,
on which the caller begins anew with the packages themselves.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextmanager
def standing_in(packages: Sequence[str]) -> Iterator[None]:
    """Imports of these packages find stand-ins inside, which stay: for a process that does nothing else."""
    finder = _Finder(frozenset(packages))
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder, Loader):
    def __init__(self, packages: frozenset[str]) -> None:
        self.packages = packages

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in self.packages else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Kind(ABCMeta):
    """Of a class that stands in: it may be derived from beside an abstract one, and an enumeration has members."""

    def __getattr__(cls, name: str) -> _StandIn:
        if name.startswith("_") or not vars(cls).get("_stands_in"):  # what is derived has its own attributes alone
            raise AttributeError(name)
        return _StandIn(f"{cls.__name__}.{name}")


class _StandIn(ModuleType):
    """A package, or anything of it: capital names are classes, others as this one, and a call gives a decorator."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made: Any = _StandIn(f"{self.__name__}.{name}")
        if name[0].isupper():
            made = _Kind(name, (), {"_stands_in": True, "__class_getitem__": classmethod(lambda kind, _: kind)})
        setattr(self, name, made)
        return made

    def __call__(self, *_: object, **__: object) -> Callable[[Any], Any]:
        return lambda function: function

    def __int__(self) -> int:
        """For tables by the numbers of an enumeration: each another."""
        return id(self)
