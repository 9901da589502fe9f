"""What there is to choose: every YAML of a group, and what its first comment says of it. Loads no PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from wm_lab.errors import unknown

GROUPS = (
    "exercise",
    "task",
    "model",
    "planner",
    "objective",
    "value",
    "behaviour",
    "data",
    "scale",
    "tracking",
    "experiment",
    "hparams_search",
)
"""Those in which there is more than one thing to choose, or nothing that is chosen by itself."""

SETS = ("experiment", "hparams_search")
"""Groups whose choices set options of others, and have none of their own."""


class GroupChoice(NamedTuple):
    group: str
    name: str
    words: str
    """What it is."""
    file: Path


class Section(NamedTuple):
    """A part of a run: `policy@bc: bc` is the section `bc`, for which the choice `bc` of the group `policy` is made."""

    name: str
    group: str
    choice: str | None
    """That is made where nobody makes another."""

    @property
    def typed(self) -> str:
        """What stands before `=NAME` on the command line."""
        return self.group if self.group == self.name else f"{self.group}@{self.name}"


UNCHOSEN = {name: Section(name, name, None) for name in ("cloning", "evaluation")}
"""Of which nothing is chosen by name."""


def sections(conf: Path) -> dict[str, Section]:
    """{name: section} of config.yaml's own list of choices."""
    found = {}
    for line in yaml.safe_load((conf / "config.yaml").read_text(encoding="utf-8"))["defaults"]:
        for key, choice in line.items() if isinstance(line, dict) else ():
            group, _, name = key.partition("@")
            if " " not in key:  # neither Hydra's own groups nor optional files
                found[name or group] = Section(name or group, group, choice)
    return found


def choices(group: str, folders: Sequence[Path]) -> list[GroupChoice]:
    """Every choice of a group, by name."""
    files = {_name(file, folder / group): file for folder in folders for file in (folder / group).rglob("*.yaml")}
    return [GroupChoice(group, name, words_of(files[name]), files[name]) for name in sorted(files)]


def find(group: str, name: str, folders: Sequence[Path]) -> GroupChoice:
    """The choice of this name; UserError offers the nearest where there is none."""
    known = {choice.name: choice for choice in choices(group, folders)}
    if name not in known:
        raise unknown(f"option of {group}", name, known)
    return known[name]


def families(group: str, folders: Sequence[Path], choice: str | None = None) -> Iterator[tuple[GroupChoice, list[str]]]:
    """(choice, the names of its variants): what is called like another choice and more is a variant of it.

    Of a folder of choices, those beside `choice` stand for themselves, and others are variants of the file of its name.
    """
    found = choices(group, folders)
    names = {each.name for each in found}
    own = (choice or "").rpartition("/")[0]
    for each in found:
        folder = each.name.rpartition("/")[0]
        if (not folder or folder == own) and not any(_is_variant(each.name, of) for of in names):
            yield each, [name for name in sorted(names) if _is_variant(name, each.name)]


def words_of(file: Path) -> str:
    """The first comment of a YAML, up to what is indented in it."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        told = line.removeprefix("#").removeprefix(" ")
        if not line.startswith("#") or told.startswith(" "):
            break
        if not told.startswith("@package"):
            words.append(told.strip())
    return " ".join(words)


def _is_variant(name: str, of: str) -> bool:
    return name.startswith((f"{of}_", f"{of}/"))


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()
