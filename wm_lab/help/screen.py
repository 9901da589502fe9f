"""`wm-lab --help`, `wm-lab --help model=rssm`, `wm-lab --version` and what shells ask: what is answered without a run.

All but the second load no PyTorch. A choice's options are read off its dataclass, like docs/options.md.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import wm_lab
from wm_lab.command_line.folders import CONF, HERE, config_folders
from wm_lab.errors import unknown
from wm_lab.help import completion
from wm_lab.help.choices import GROUPS, SETS, UNCHOSEN, Section, choices, families, find, sections
from wm_lab.help.comments import comments_in

if TYPE_CHECKING:
    from wm_lab.help.options import Option

HELP, VERSION = {"--help", "-h"}, "--version"
WIDEST = 120
"""Columns: longer lines are hard to read."""

CLAUSES = (". ", "; ", ": ", " (", ", ")
"""What one line may end before, the better the earlier."""

EXAMPLES = (
    ("wm-lab", "plan with rssm and cem on hand/reach"),
    ("wm-lab task=hand/push planner.horizon=16", "GROUP=CHOICE, OPTION=VALUE"),
    ("wm-lab scale=smoke tracking=disabled", "in seconds: does everything run?"),
    ("wm-lab -m planner=cem,mppi seed=0,1", "a sweep, whose runs share work"),
    ("wm-lab --config-name course", "the four exercises, one report"),
    ("wm-lab play task=hand/push", "drive beside what a model imagines"),
    ("wm-lab --cfg job --resolve", "show what would run, and stop"),
)

UNTYPED = (("task", "recorded"), ("planner", "local"))
"""Choices that come with others, `data=recorded` and the clone: nobody types them."""

ON_ONE_LINE = ("objective", "value", "behaviour", "data", "scale", "tracking", "experiment")
"""Groups whose choices are named alone: the screen holds no more lines, and `--help GROUP` explains them."""


def answer(words: Sequence[str]) -> str | None:
    """The text that is asked for, None where a run is; UserError where nothing goes by what was named."""
    if (told := completion.answer(words)) is not None:
        return told
    if HELP.isdisjoint(words):
        return f"wm-lab {wm_lab.__version__}" if VERSION in words else None
    folders = [CONF, *config_folders(words)]
    width = min(shutil.get_terminal_size().columns, WIDEST)
    named = {str(folder) for folder in config_folders(words)}
    topics = [word for word in words if not word.startswith("-") and str(Path(word).absolute()) not in named]
    lines = [line for topic in topics for line in about(topic, folders, width)] or overview(folders, width)
    return "\n".join(lines).rstrip()


def overview(folders: Sequence[Path], width: int) -> Iterator[str]:
    """Examples, one line for each choice, and what is the same in every run."""
    yield "wm-lab: which world model, with which planner, on which robot task, and why?"
    for command, words in EXAMPLES:
        yield _line(f"  {command:<42}", words, width)
    yield "GROUP            CHOICE (* if none is named)"
    known = sections(CONF)
    for group in GROUPS:
        for row, (mark, name, words) in enumerate(_rows(group, folders, known[group].choice)):
            head = f"{group if row == 0 else '':<15}{mark} {name:<17}"
            if name:
                yield _line(head, words, width)
            else:
                yield from _hanging(head, words, width) if "/…" in words else [_cut(head, words, width)]
    yield "OPTION           (and those of what is chosen: wm-lab --help GROUP=CHOICE)"
    source = (HERE / "config.py").read_text(encoding="utf-8")
    for name, words in comments_in(source, "RootConfig").items():
        if name not in known and name not in UNCHOSEN:
            yield _line(f"{name:<17}", words, width)


def _rows(group: str, folders: Sequence[Path], chosen: str | None) -> Iterator[tuple[str, str, str]]:
    """(mark, name, words): one for each choice, and one for all variants and folders of others."""
    shown = [each for each in families(group, folders, chosen) if (group, each[0].name) not in UNTYPED]
    if group in ON_ONE_LINE:
        rest = ", ".join(choice.name for choice, _ in shown if choice.name != chosen)
        yield ("*", chosen, f"or {rest}") if chosen else (" ", "", rest)
        return
    for choice, variants in shown:
        if not any("/" in name for name in variants):
            yield "*" if choice.name == chosen else " ", choice.name, choice.words
    others = [name for _, variants in shown for name in variants if "/" not in name]
    own = (chosen or "").rpartition("/")[0]
    folders_of = {each.name.rpartition("/")[0] for each in choices(group, folders)} - {"", own}
    others += sorted(f"{folder}/…" for folder in folders_of)
    if len(others) > 1:
        yield " ", "", f"also {', '.join(others)}"


def about(topic: str, folders: Sequence[Path], width: int) -> Iterator[str]:
    """Of `model`, `model=rssm` or `planner.horizon`."""
    known = sections(CONF) | UNCHOSEN
    place, equals, name = topic.partition("=")
    place = place.lstrip("+~").rpartition("@")[2]
    head = place.partition(".")[0]
    if head not in known:
        yield from _run_options(place, sorted(known), width)
        return
    section = known[head]
    if "." in place:
        yield from _options(head, None, folders, width, only=place)
    elif equals:
        choice = find(section.group, name, folders)
        yield from (f"{section.typed}={name}", *textwrap.wrap(choice.words, width), "")
        if head in SETS:
            yield choice.file.read_text(encoding="utf-8")
        else:
            yield from _options(head, f"{section.typed}={name}", folders, width)
    else:
        yield from _group(section, folders, width)


def _group(section: Section, folders: Sequence[Path], width: int) -> Iterator[str]:
    """Every choice, where there are some, and the options of the usual one."""
    found = choices(section.group, folders) if section.group == section.name else []
    wide = max((len(choice.name) for choice in found), default=0)
    for choice in found:
        mark = "*" if choice.name == section.choice else " "
        yield from _hanging(f"{mark} {choice.name:<{wide}}  ", choice.words, width)
    if section.name not in SETS:
        yield from ("", f"{section.typed}={section.choice}") if section.choice else ()
        yield from _options(section.name, None, folders, width)


def _run_options(place: str, known: list[str], width: int) -> Iterator[str]:
    from wm_lab.help.options import RUN, options_of  # loads PyTorch

    found = [option for option in options_of(RUN) if option.name == place]
    if not found:
        names = [*known, *(option.name for option in options_of(RUN))]
        raise unknown("group or option", place, names)
    yield from _shown(found, width)


def _options(
    section: str, choice: str | None, folders: Sequence[Path], width: int, only: str | None = None
) -> Iterator[str]:
    from wm_lab.help.options import options_of  # loads PyTorch

    options = options_of(section, choice, folders[1:])
    found = [o for o in options if only is None or o.name == only or o.name.startswith(f"{only}.")]
    if not found:
        raise unknown("option", only or section, [option.name for option in options])
    yield from _shown(found, width)


def _shown(options: Sequence[Option], width: int) -> Iterator[str]:
    for name, kind, default, domain, comment in options:
        yield f"  {name}={default}"
        yield from _hanging("      ", f"{comment} ({kind}{', ' + domain if domain else ''})", width)


def _hanging(head: str, words: str, width: int) -> list[str]:
    return textwrap.wrap(words, width, initial_indent=head, subsequent_indent=" " * len(head)) or [head.rstrip()]


def _line(head: str, words: str, width: int) -> str:
    """One line: words that do not all fit end with a clause that does, and `--help GROUP` tells the rest."""
    room = max(20, width - len(head))
    for mark in () if len(words) <= room else CLAUSES:
        ends = [i for i in range(room // 3, room + 1) if words.startswith(mark, i)]
        if ends:
            words = words[: ends[-1]]
            break
    return _cut(head, words, width).removesuffix(".")


def _cut(head: str, words: str, width: int) -> str:
    return (head + textwrap.shorten(words, max(20, width - len(head)), placeholder=" …")).rstrip()
