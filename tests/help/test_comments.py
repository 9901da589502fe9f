"""Every option says what it is, and every choice."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import get_type_hints

from tests.test_domains import schemas
from wm_lab.command_line.folders import CONF
from wm_lab.domains import taken_apart
from wm_lab.help.choices import words_of
from wm_lab.help.comments import comments, comments_in
from wm_lab.settings import TARGET

SOURCE = '''
class Config:
    beside: int = 3  # how many
    long: list[int] = field(
        default_factory=list
    )  # of each
    below: int = 1
    """First line
    and second."""
    nothing: int = 0
    method = 4  # no field
'''


def test_words_stand_beside_a_field_or_below_it():
    assert comments_in(SOURCE, "Config") == {"beside": "how many", "long": "of each", "below": "First line and second."}


def without_words(kind: type, place: str) -> list[str]:
    words, found = comments(kind), []
    for each in fields(kind):  # type: ignore[arg-type]
        name = f"{place}.{each.name}"
        inner, _ = taken_apart(get_type_hints(kind, include_extras=True)[each.name])
        found += [name] if not words.get(each.name) and each.name != TARGET else []
        found += without_words(inner, name) if is_dataclass(inner) else []
    return found


def test_every_option_says_what_it_is():
    assert [name for section, kind in schemas() for name in without_words(kind, section)] == []


def test_every_choice_says_what_it_is():
    files = [file for file in CONF.rglob("*.yaml") if "hydra" not in file.parts and file.name != "config.yaml"]
    assert len(files) > 90
    assert [file.name for file in files if len(words_of(file)) < 10] == []
