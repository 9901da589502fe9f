"""The options of a choice: name as it is typed, type, default, domain and comment, read off its config dataclass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from omegaconf import MISSING

from wm_lab import config as schema
from wm_lab.command_line.folders import CONF, share_user_code
from wm_lab.domains import taken_apart
from wm_lab.help.comments import comments
from wm_lab.settings import TARGET, config_of, plain_values, target
from wm_lab.tracking.wandb_run import TrackingConfig

RUN = "run"
"""The section of options that are typed without one, such as `seed=1`."""

REFERENCES = (
    (r"\$\{oc\.select:([\w.]+),[^{}]*\}", r"\1"),
    (r"\$\{([\w.]+)\}", r"\1"),
    (r"\$\{budget:([^{},]+)\}", r"\1 × task.budget_multiplier"),
    (r"\$\{batch:([^{},]+),([^{},]+)\}", r"\1, of images \2"),
    (r"\$\{by_sight:([^{},]+),([^{},]+)\}", r"\1, of images for exercise=latent \2"),
    (r"\$\{shown:\}", "state, for exercise=latent pixels_proprio"),
)
"""What YAML says in OmegaConf's grammar, in words; inner ones first."""


KINDS = schema.SECTIONS | {"tracking": TrackingConfig, "scale": schema.ScaleConfig}
"""The dataclass of each section; None where the choice decides."""


class Option(NamedTuple):
    name: str
    """As it is typed: model.deter."""
    type: str
    default: str
    domain: str
    """Empty where any value of the type is taken."""
    comment: str


def options_of(section: str, choice: str | None = None, folders: Sequence[Path] = ()) -> list[Option]:
    """Of one section of a run, with the defaults of a choice, such as `model=rssm`.

    folders: of a user's own YAML and Python, beside the lab's
    """
    schema.register()
    share_user_code(folders)
    words = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]"] if folders else []
    config = schema.composed(CONF, [*words, *([choice] if choice else [])])
    plain = plain_values(config)
    if section == RUN:
        parts = {*schema.SECTIONS, *(name for name, value in plain.items() if isinstance(value, dict))}
        return [o for o in _options(schema.RootConfig, "", plain) if o.name.partition(".")[0] not in parts]
    kind = KINDS.get(section) or config_of(target(object, plain[section], section))
    return list(_options(kind, f"{section}.", plain[section]))


def _options(kind: type, prefix: str, values: Mapping[str, Any]) -> Iterator[Option]:
    hints, words = get_type_hints(kind, include_extras=True), comments(kind)
    for each in fields(kind):
        inner, domain = taken_apart(hints[each.name])
        value = values.get(each.name, _default(each))
        if is_dataclass(inner) and isinstance(inner, type):
            yield from _options(inner, f"{prefix}{each.name}.", value if isinstance(value, Mapping) else {})
        elif each.name != TARGET:
            elements = (taken_apart(part)[1] for part in get_args(inner))
            told = str(domain or next(filter(None, elements), ""))
            name = f"{prefix}{each.name}"
            yield Option(name, spelled(hints[each.name]), shown(value), told, words.get(each.name, ""))


def _default(each: Field[Any]) -> Any:
    if each.default_factory is not NO_DEFAULT:
        return each.default_factory()
    return MISSING if each.default is NO_DEFAULT else each.default


def spelled(hint: Any) -> str:
    """A type as it is read: `int`, `list of float`, `str or null`."""
    inner, _ = taken_apart(hint)
    if inner is not hint and type(None) in get_args(hint):
        return f"{spelled(inner)} or null"
    if get_origin(inner) is list:
        return f"list of {spelled(get_args(inner)[0])}"
    if get_origin(inner) is dict:
        return f"names with {spelled(get_args(inner)[1])}"
    if inner is Any:
        return "any"
    return "str" if issubclass(inner, Enum) else inner.__name__


def shown(value: Any) -> str:
    """A default as it would be typed, or, where it follows another option, that option's name."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {shown(each)}' for key, each in value.items())}}}"
    if value == MISSING:
        return "to be given"
    told = str(value)
    for pattern, words in REFERENCES:
        told = re.sub(pattern, words, told)
    return told
