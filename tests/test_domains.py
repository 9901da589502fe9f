"""Every number that can be chosen has a domain, and what lies outside is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from wm_lab import config as schema
from wm_lab.domains import Count, Domain, Positive, check_domains, numbers
from wm_lab.errors import UserError
from wm_lab.settings import read_config

NAN, INF = float("nan"), float("inf")


def schemas() -> Iterator[tuple[str, type]]:
    """(section, dataclass) of everything that the command line can set."""
    schema.register()

    def below(node: dict[str, Any], path: str) -> Iterator[tuple[str, type]]:
        for name, part in node.items():
            if isinstance(part, dict):
                yield from below(part, f"{path}/{name}")
            else:
                yield f"{path}/{name}".removesuffix(".yaml"), OmegaConf.get_type(part.node)  # type: ignore[misc]

    yield from below(ConfigStore.instance().repo["schema"], "")
    yield "", schema.RootConfig


NUMBERS = {(section, option): (kind, domain) for section, of in schemas() for option, kind, domain in numbers(of)}


def test_every_number_has_a_domain():
    assert len(NUMBERS) > 200
    assert not [name for name, (_, domain) in NUMBERS.items() if domain is None]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_nothing_but_finite_numbers_is_taken(value):
    assert not [name for name, (_, domain) in NUMBERS.items() if value in domain]


def test_below_zero_lie_only_numbers_that_may_point_either_way():
    taken = {option for (_, option), (_, domain) in NUMBERS.items() if -1 in domain}
    assert taken == {"success_return"}


def test_a_billion_is_only_taken_where_nothing_is_counted():
    """A seed is a name, and a return is in the environment's own units."""
    assert {option for (_, option), (_, domain) in NUMBERS.items() if 1e9 in domain} == {"seed", "success_return"}


@dataclass
class Inner:
    rate: Positive = 1.0


@dataclass
class Outer:
    steps: Count = 3
    few: list[Count] = field(default_factory=list)
    parts: dict[str, Annotated[float, Domain(least=0, below=1)]] = field(default_factory=dict)
    maybe: Positive | None = None
    inner: Inner = field(default_factory=Inner)
    free: float = INF  # of somebody who declares nothing


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, r"^lab.steps=0 must be a whole number from 1 to 100000000$"),
        ({"few": [1, 2, -3]}, r"^lab.few=\[1, 2, -3\] holds -3, where each must be a whole number from 1"),
        ({"few": [[1]]}, r"^lab.few=\[\[1\]\] holds \[1\], where each must be a whole number from 1"),
        ({"parts": {"a": 0.0, "b": 1}}, r"^lab.parts.b=1 must be a finite number of at least 0 and below 1$"),
        ({"maybe": NAN}, r"^lab.maybe=nan must be a finite number above 0 and at most 1000000$"),
        ({"inner": {"rate": INF}}, r"^lab.inner.rate=inf "),
        ({"steps": 10**400}, r"^lab.steps=10{39}….*\(401 characters\)"),
    ],
)
def test_what_lies_outside_is_told_with_its_full_name(values, sentence):
    with pytest.raises(UserError, match=sentence):
        read_config(Outer, values, "lab")


def test_what_lies_inside_or_has_no_domain_is_taken():
    taken = read_config(Outer, {"maybe": None, "free": NAN, "few": [], "inner": {"rate": 1e-9}}, "lab")
    assert taken.maybe is None and taken.inner.rate == 1e-9
    check_domains(Outer, {"steps": "${budget:3}"}, "lab")  # not reckoned yet


def of_value(option: str, value: Any) -> dict[str, Any]:
    """The option's nested values."""
    name, _, rest = option.partition(".")
    return {name: of_value(rest, value) if rest else value}


def test_every_number_at_odd_values_is_taken_or_refused_in_one_line():
    for section, kind in schemas():
        for option, _, domain in numbers(kind):
            for value in (NAN, INF, -INF, -1, 0, 1e9, 10**9):
                told = complaint(kind, of_value(option, value), section)
                assert value in domain if told is None else "\n" not in told, (section, option, value)


def complaint(kind: type, values: dict[str, Any], section: str) -> str | None:
    try:
        read_config(kind, values, section)
    except UserError as error:
        return str(error)
    return None
