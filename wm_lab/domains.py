"""The domain of every number that can be chosen: said in its type, checked by `read_config` before any work.

    steps: Count = 3000
    std_init: list[Positive] = field(default_factory=lambda: [0.6])  # each of them
    unimix: Annotated[float, Domain(least=0, below=1)] = 0.01

A field without a domain, as in somebody's own class, is taken as it comes. Upper bounds are far above anything that was
ever useful: they stop a slip of the pen, such as a billion layers, before anything counts that far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from wm_lab.errors import UserError, shortened


@dataclass(frozen=True)
class Domain:
    """Finite numbers from `least` or above `above`, to `most` or below `below`."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            abs(value) < math.inf  # which integers of any length can be asked
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.most is None or value <= self.most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.least is not None and self.most is not None:
            return f"from {_plain(self.least)} to {_plain(self.most)}"
        bounds = {"of at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{word} {_plain(bound)}" for word, bound in bounds.items() if bound is not None)


Count = Annotated[int, Domain(least=1, most=10**8)]
"""How many or how often, where each takes its time and none takes memory."""
Amount = Annotated[int, Domain(least=0, most=10**5)]
"""How many, where none is a choice."""
Width = Annotated[int, Domain(least=1, most=2**16)]
"""Units, channels or variables side by side; DreamerV3's largest model has 12288."""
Depth = Annotated[int, Domain(least=1, most=256)]
"""Layers or blocks behind one another."""
Few = Annotated[int, Domain(least=1, most=1000)]
"""Of what is computed one after another each time a model is asked."""
Steps = Annotated[int, Domain(least=1, most=10**5)]
"""Of an episode, or of a part of one."""
Window = Annotated[int, Domain(least=2, most=10**5)]
"""Steps that are looked at together: one alone shows no change."""
Batch = Annotated[int, Domain(least=1, most=2**17)]
"""What is computed side by side."""
Processes = Annotated[int, Domain(least=0, most=1024)]
Threads = Annotated[int, Domain(least=1, most=1024)]
Seed = Annotated[int, Domain(least=0, most=2**31 - 1)]
Trainings = Annotated[int, Domain(least=1, most=1000)]
"""Of the same thing, with other chance."""
Starts = Annotated[int, Domain(least=0, most=2**28)]
"""Frozen episodes that are passed over, of 2^29 that there are."""
Several = Annotated[int, Domain(least=2, most=10**5)]
"""What an interval is made over: one of them has none."""
Resamples = Annotated[int, Domain(least=100, most=10**6)]
"""Of a bootstrap; the ends of an interval of 95 % need some on either side."""
Level = Annotated[int, Domain(least=2, most=2**16)]
"""Of a number of a quantised code."""
Positive = Annotated[float, Domain(above=0, most=1e6)]
Weight = Annotated[float, Domain(least=0, most=1e6)]
"""Of a term of a loss or an objective: below 0 it would reward what it is to lower."""
Spread = Annotated[float, Domain(least=0, most=1e6)]
"""Standard deviation of noise."""
Seconds = Annotated[float, Domain(least=0, most=1e6)]
Share = Annotated[float, Domain(least=0, most=1)]
PositiveShare = Annotated[float, Domain(above=0, most=1)]
ShareBelowOne = Annotated[float, Domain(least=0, below=1)]
Multiplier = Annotated[float, Domain(above=0, most=1000)]
"""Times the data and the training of the easiest task."""
Pixels = Annotated[int, Domain(least=8, most=1024)]
"""Side of an image."""


def check_domains(kind: type, values: Mapping[str, Any], section: str = "") -> None:
    """UserError where a number among the values of the dataclass `kind` is outside the domain of its field.

    section: what comes before the options' names on the command line
    """
    for option, hint in _hints(kind).items():
        if option in values:
            _check(hint, values[option], f"{section}.{option}" if section else option)


def numbers(kind: type, section: str = "") -> Iterator[tuple[str, type, Domain | None]]:
    """(option, int or float, its domain) of every field that holds numbers, also those of nested dataclasses."""
    for option, hint in _hints(kind).items():
        yield from _numbers(hint, f"{section}.{option}" if section else option)


def _numbers(hint: Any, name: str) -> Iterator[tuple[str, type, Domain | None]]:
    inner, domain = taken_apart(hint)
    if inner in (int, float):
        yield name, inner, domain
    elif isinstance(inner, type) and is_dataclass(inner):
        yield from numbers(inner, name)
    else:
        for part in get_args(inner):
            yield from _numbers(part, name)


def _check(hint: Any, value: Any, name: str) -> None:
    inner, domain = taken_apart(hint)
    if domain is not None:
        if _is_outside(value, domain):
            raise UserError(f"{name}={shortened(value)} must be {_asked(inner, domain)}")
    elif isinstance(inner, type) and is_dataclass(inner) and isinstance(value, Mapping):
        check_domains(inner, value, name)
    elif get_origin(inner) is list and isinstance(value, list):
        element, domain = taken_apart(get_args(inner)[0])
        for found in value:
            if domain is not None and (isinstance(found, list | Mapping) or _is_outside(found, domain)):
                raise UserError(
                    f"{name}={shortened(value)} holds {shortened(found)}, where each must be {_asked(element, domain)}"
                )
    elif get_origin(inner) is dict and isinstance(value, Mapping):
        for key, element in value.items():
            _check(get_args(inner)[1], element, f"{name}.{key}")


def _is_outside(value: Any, domain: Domain) -> bool:
    """Whether this is a number, and not one that was asked for."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value not in domain


def _asked(kind: type, domain: Domain) -> str:
    return f"a {'whole' if kind is int else 'finite'} number {domain}".rstrip()


def taken_apart(hint: Any) -> tuple[Any, Domain | None]:
    """A type without `| None` and without its domain, and the domain."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        return inner, next((note for note in notes if isinstance(note, Domain)), None)
    parts = [part for part in get_args(hint) if part is not type(None)]
    if type(None) in get_args(hint) and len(parts) == 1:
        return taken_apart(parts[0])
    return hint, None


@lru_cache(256)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _plain(number: float) -> str:
    return f"{number:.12g}"
