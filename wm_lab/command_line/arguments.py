"""What was typed, as Hydra reads it: options first, home folders written out; mistakes that it trips on are told."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString
from hydra.errors import HydraException

from wm_lab.command_line.hydra_internals import get_args_parser
from wm_lab.errors import UserError, shortened

HELP = "wm-lab --help shows what there is to choose"


def understood(arguments: Sequence[str], conf: Path) -> list[str]:
    """The same words in an order that Hydra understands; UserError where it would not know what to make of them.

    conf: the folder of the lab's own YAML
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign, assignment]
    known = parser.parse_intermixed_args(list(arguments))  # options may stand between overrides
    if known.config_path is not None:
        raise UserError("--config-path would hide the lab's own choices; --config-dir adds a folder of yours to them")
    if known.experimental_rerun is not None:
        raise UserError("--experimental-rerun needs a file that the lab does not write; type the command again")
    if known.resolve and known.cfg is None:
        raise UserError("--resolve is for what --cfg shows; try --cfg job --resolve")
    if known.run + known.multirun + bool(known.cfg) + bool(known.info) > 1:
        raise UserError("only one of --run, --multirun, --cfg and --info can be asked for at once")
    overrides = list(known.overrides)
    options = [_with_home(word) for word in _without(arguments, overrides)]
    folders = [conf, *([Path(known.config_dir).expanduser()] if known.config_dir else [])]
    return [*options, *(_read(word, folders) for word in overrides)]


def _read(word: str, folders: Sequence[Path]) -> str:
    """An override as Hydra will take it; UserError where it cannot."""
    name, equals, value = word.partition("=")
    if not equals and not name.startswith("~"):
        raise UserError(f"{shortened(word)!r} is no option, which are typed NAME=VALUE; {HELP}")
    if not name.strip("+~"):
        raise UserError(f"{shortened(word)!r} names no option; type NAME=VALUE; {HELP}")
    if value == "~" or value.startswith("~/"):
        value = _at_home(value)
        word = f"{name}={value}" if _parsed(f"{name}={value}") else f"{name}={_quoted(value)}"
    override = _parsed(word)
    if override is None:
        raise UserError(f"{shortened(word)} cannot be read{_how_to_quote(name, value)}")
    if equals:
        _require_choice(word, override, folders)
    return word


def _require_choice(word: str, override: Override, folders: Sequence[Path]) -> None:
    """UserError where a group, of which one option is chosen by name, is given something else."""
    group = override.key_or_group
    if not group.startswith("hydra/") and not any((folder / group).is_dir() for folder in folders):
        return
    for value in _values(override.value()):
        is_name = isinstance(value, str) and ".." not in Path(value).parts and not Path(value).is_absolute()
        if not is_name and not isinstance(value, dict):
            known = sorted(
                {_option(file, folder / group) for folder in folders for file in folder.glob(f"{group}/**/*.yaml")}
            )
            raise UserError(
                f"{shortened(word)}: {group} is chosen by name; leave it out, or name one of: {', '.join(known)}"
            )


def _values(value: object) -> Iterator[object]:
    """What is chosen: one, those of a list, or those of a sweep; nothing of what only Hydra can look up."""
    if isinstance(value, QuotedString):
        yield value.text
    elif isinstance(value, list | ChoiceSweep):
        for part in value if isinstance(value, list) else value.list:
            yield from _values(part)
    elif not isinstance(value, Glob):
        yield value


def _option(file: Path, group: Path) -> str:
    return file.relative_to(group).with_suffix("").as_posix()


def _parsed(word: str) -> Override | None:
    """None for what is not in Hydra's grammar."""
    try:
        return OverridesParser.create().parse_override(word)
    except (HydraException, ValueError, OverflowError, RecursionError):
        return None


def _how_to_quote(name: str, value: str) -> str:
    """What would take the value as plain text, where anything does."""
    word = f"{name}={_quoted(value)}"
    if not value or _parsed(word) is None:
        return f"; {HELP}"
    return f"; if it is meant as it stands, quote it: {shortened(shlex.quote(word))}"


def _quoted(value: str) -> str:
    """A text in Hydra's quotes, in which only quotes and the backslashes before them are escaped."""
    inside = re.sub(r'(\\*)"', r'\1\1\\"', value)
    return '"' + re.sub(r"(\\+)$", r"\1\1", inside) + '"'


def _with_home(word: str) -> str:
    """An option whose folder begins with `~`, which the shell writes out only where a word begins with it."""
    name, equals, value = word.partition("=")
    return f"{name}={_at_home(value)}" if equals else _at_home(word)


def _at_home(path: str) -> str:
    return str(Path(path).expanduser()) if path.startswith("~") else path


def _without(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """The options among all words."""
    left = list(overrides)
    options = []
    for word in arguments:
        if word in left:
            left.remove(word)
        else:
            options.append(word)
    return options


def _refuse(message: str) -> None:
    raise UserError(f"{shortened(message)}; {HELP}")
