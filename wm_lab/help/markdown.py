"""docs/options.md, every option of every choice:  python -m wm_lab.help.markdown > docs/options.md"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wm_lab.command_line.folders import CONF
from wm_lab.help.choices import SETS, UNCHOSEN, GroupChoice, Section, families, find, sections
from wm_lab.help.options import KINDS, RUN, Option, options_of

BEGIN = """\
# Options

Everything that can be set, as it is typed: `wm-lab task=hand/push planner.horizon=16`.
`wm-lab --help model=rssm` says the same of one choice on the terminal; `wm-lab --help` tells what there is to choose.

`python -m wm_lab.help.markdown > docs/options.md` makes this page of the dataclasses in the code; a test compares them.
Defaults are those of the choice in the heading. Its variants (`rssm_1m` of `rssm`) have the same options and other
defaults. A default that is a name follows that option, and `× task.budget_multiplier` is more for harder tasks.
[Configuration](configuration.md) says which of several values wins.
"""

HEADER = "| option | type | default | domain | what it is |\n|---|---|---|---|---|"


def page() -> str:
    """The whole page."""
    parts = [BEGIN, "## Every run", "", table(options_of(RUN)), ""]
    for section in (*sections(CONF).values(), *UNCHOSEN.values()):
        if section.name in SETS:
            continue
        parts += [f"## {section.name}", ""]
        for choice in _choices(section):
            if choice is None:
                parts += [table(options_of(section.name)), ""]
            else:
                typed = f"{section.typed}={choice.name}"
                parts += [f"### {typed}", "", choice.words, "", table(options_of(section.name, typed)), ""]
    return "\n".join(parts).rstrip() + "\n"


def _choices(section: Section) -> Iterator[GroupChoice | None]:
    """One for each class: all where each choice has its own, the usual one where they share a dataclass."""
    if section.choice is None:
        yield None
    elif KINDS[section.name] is None and section.group == section.name:
        yield from (
            choice for choice, _ in families(section.group, [CONF], section.choice) if _is_first(choice, section)
        )
    else:
        yield find(section.group, section.choice, [CONF])


def _is_first(choice: GroupChoice, section: Section) -> bool:
    """Whether this choice stands for those beside it in a folder, which are of one class."""
    return "/" not in choice.name or choice.name == section.choice


def table(options: Sequence[Option]) -> str:
    if not options:
        return "No options."
    return "\n".join([HEADER, *(_row(option) for option in options)])


def _row(option: Option) -> str:
    told = (f"`{option.name}`", option.type, f"`{option.default}`", option.domain, option.comment)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in told) + " |"


if __name__ == "__main__":
    print(page(), end="")
