"""What a shell offers while a command is typed, in Hydra's words: `wm-lab -sc install=bash`, and what that asks.

Answers are read off the YAML and the source of the dataclasses, so no shell waits for PyTorch.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from wm_lab.command_line.folders import CONF, config_folders
from wm_lab.errors import unknown
from wm_lab.help.choices import UNCHOSEN, Section, sections
from wm_lab.help.python_source import Found, PythonSource

WORDS = ("-sc", "--shell-completion")

FLAGS = ("--cfg", "--config-dir", "--config-name", "--help", "--info", "--multirun", "--resolve", "--version")
Options = Iterator[tuple[str, list[str]]]
"""(name, the values it can have, where they are few)"""

AFTER = {"--cfg": ("all", "hydra", "job"), "-c": ("all", "hydra", "job")}
"""What follows an option of the command."""

PACKAGES = ("models", "planners", "values", "behaviours", "tasks", "exercises", "policies")
"""Where the modules are that the YAML of a choice builds on as `/schema/GROUP/MODULE`."""

BASH = """
_wm_lab() {
    local line=${COMP_LINE:0:$COMP_POINT} before= each IFS=$'\\n'
    local word=${line##*[[:space:]]}
    [[ $COMP_WORDBREAKS == *=* && $word == *=* ]] && before=${word%"${word##*=}"}
    COMPREPLY=()
    for each in $(COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT "$1" -sc query=bash 2>/dev/null); do
        [[ $each == *[=.,] ]] || each+=' '
        COMPREPLY+=("${each#"$before"}")
    done
}
complete -o nospace -o default -F _wm_lab wm-lab
"""

FISH = """
function __wm_lab
    set -lx COMP_LINE (commandline -cp)
    set -lx COMP_POINT (string length -- $COMP_LINE)
    wm-lab -sc query=fish 2>/dev/null
end
complete -c wm-lab -f -a '(__wm_lab)'
"""

SCRIPTS = {
    "install=bash": BASH,
    "uninstall=bash": "complete -r wm-lab; unset -f _wm_lab\n",
    "install=zsh": f"autoload -Uz bashcompinit && bashcompinit\n{BASH}",
    "uninstall=zsh": "compdef -d wm-lab; unfunction _wm_lab\n",
    "install=fish": FISH,
    "uninstall=fish": "complete -e -c wm-lab; functions -e __wm_lab\n",
}


def answer(words: Sequence[str]) -> str | None:
    """What `-sc` asks for, None where it is not among the words."""
    asked = [following for word, following in pairwise([*words, ""]) if word in WORDS]
    if not asked:
        return None
    if asked[0].startswith("query="):
        line = os.environ.get("COMP_LINE", "")
        return "\n".join(complete(line[: int(os.environ.get("COMP_POINT", len(line)))]))
    if asked[0] not in SCRIPTS:
        raise unknown(f"value of {WORDS[0]}", asked[0], SCRIPTS)
    return SCRIPTS[asked[0]].strip()


def complete(line: str) -> list[str]:
    """Every word that could stand where the last one of `line` begins."""
    *before, word = line.split(" ")
    _, *before = [each for each in before if each] or [""]
    folders = config_folders(before)
    previous = before[-1] if before else ""
    if previous in ("--config-name", "-cn"):
        offered: Iterator[str] = (file.stem for file in CONF.glob("*.yaml"))
    elif previous in AFTER:
        offered = iter(AFTER[previous])
    elif word.startswith("-"):
        offered = iter(FLAGS)
    elif "=" in word:
        offered = _values(word, before, folders)
    else:
        offered = _names(word, before, folders)
    return sorted({each for each in offered if each.startswith(word) and each != word})


def _values(word: str, before: Sequence[str], folders: Sequence[Path]) -> Iterator[str]:
    """`word` is NAME=, and may hold the beginning of a value, or of one more in a list of a sweep."""
    name, _, value = word.partition("=")
    known = name.lstrip("+~")
    group = known.partition("@")[0]
    head = f"{name}={value.rpartition(',')[0]}," if "," in value else f"{name}="
    yield from (head + choice for choice in _choices(group, folders))
    for option, values in options_of(known.partition(".")[0] if "." in known else "", before, folders):
        yield from (head + each for each in values if option == known)


def _names(word: str, before: Sequence[str], folders: Sequence[Path]) -> Iterator[str]:
    plus = word[: len(word) - len(word.lstrip("+~"))]
    typed = word.removeprefix(plus)
    for section in sections(CONF).values():
        yield f"{plus}{section.typed}="
        yield f"{plus}{section.name}."
    yield from (f"{plus}{name}." for name in UNCHOSEN)
    yield f"{plus}hydra/launcher="
    begun, dot, _ = typed.partition(".")
    yield from (f"{plus}{option}=" for option, _ in options_of(begun if dot else "", before, folders))


def _choices(group: str, folders: Sequence[Path]) -> Iterator[str]:
    for folder in (CONF, *folders):
        for file in (folder / group).rglob("*.yaml") if group else ():
            yield file.relative_to(folder / group).with_suffix("").as_posix()


def options_of(section: str, words: Sequence[str] = (), folders: Sequence[Path] = ()) -> Options:
    """The options of a section, for what `words` choose.

    section: "" for the options of a run, such as `seed=1`
    """
    source, known = PythonSource(folders), sections(CONF)
    root = source.find("wm_lab.config", "RootConfig")
    own = [option for option in source.options(root) if "." in option[0] or option[0] not in known] if root else []
    if not section:
        yield from (option for option in own if "." not in option[0])
    elif any(name.startswith(f"{section}.") for name, _ in own):
        yield from (option for option in own if option[0].startswith(f"{section}."))
    elif section in known:
        found = _of_choice(known[section].group, _chosen(known[section], words), folders, source)
        for name, values in dict(source.options(found) if found is not None else ()).items():  # some are given anew
            yield f"{section}.{name}", values


def _chosen(section: Section, words: Sequence[str]) -> str:
    """The choice of a section: the last that was typed, or the usual one."""
    typed = [word.partition("=")[2] for word in words if word.lstrip("+").startswith(f"{section.typed}=")]
    return typed[-1].partition(",")[0] if typed else section.choice or ""


def _of_choice(group: str, name: str, folders: Sequence[Path], source: PythonSource) -> Found | None:
    """The dataclass of a choice's options: of the class that its YAML names, or of the schema that it builds on."""
    file = next((f for root in (CONF, *folders) if (f := root / group / f"{name}.yaml").is_file()), None)
    values: Any = {} if file is None else yaml.safe_load(file.read_text(encoding="utf-8"))
    if isinstance(target := values.get("_target_"), str):
        module, _, kind = target.rpartition(".")
        return source.config_of(module, kind)
    for line in values.get("defaults", ()):
        each = line.partition("@")[0] if isinstance(line, str) else "_self_"
        if each.startswith("/schema/"):
            return _of_schema(each.removeprefix("/schema/"), source)
        if each != "_self_":
            other, _, choice = each.removeprefix("/").partition("/") if each.startswith("/") else (group, "", each)
            beside = "" if each.startswith("/") else name.rpartition("/")[0]
            return _of_choice(other, f"{beside}/{choice}".removeprefix("/"), folders, source)
    return None


def _of_schema(name: str, source: PythonSource) -> Found | None:
    """What `config.py` registers under this name, or the class of a module of this name."""
    file = source.file("wm_lab.config")
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file is not None else ():
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "store.store":
            told = {each.arg: ast.unparse(each.value).strip("'") for each in call.keywords}
            plain = re.fullmatch(r"structured\((\w+)\)", told["node"])
            if f"{told.get('group')}/{told['name']}" == f"schema/{name}" and plain is not None:
                return source.find("wm_lab.config", plain[1])
    module = name.rpartition("/")[2]
    found = (source.configured(f"wm_lab.{package}.{module}") for package in PACKAGES)
    return next((config for config in found if config is not None), None)
