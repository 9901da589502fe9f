"""From plain settings to checked config dataclasses, and from those to the objects they describe.

Everything that YAML can choose is a class that names its dataclass `Config`; settings say which class by `_target_`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, field, fields, make_dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar, cast

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from wm_lab.domains import check_domains
from wm_lab.errors import UserError, shortened, unknown
from wm_lab.settings import moved
from wm_lab.settings.switch import structured
from wm_lab.settings.template_words import called_here
from wm_lab.settings.trust import trust

TARGET = "_target_"

T = TypeVar("T")


def read_config(kind: type[T], values: Mapping[str, Any], name: str) -> T:
    """`values` as an instance of the dataclass `kind`; UserError names an option that is unknown, of a wrong type, or
    outside its domain."""
    try:
        asked = json.dumps(values)
    except (TypeError, ValueError):  # which may hold whatever a notebook puts there
        return _read(kind, values, name)
    key = (kind, name, asked)  # a run asks for the same options dozens of times
    if key not in _READ:
        _READ[key] = _read(kind, values, name)
    return cast(T, deepcopy(_READ[key]))


_READ: dict[tuple[type, str, str], Any] = {}


def _read(kind: type[T], values: Mapping[str, Any], name: str) -> T:
    check_domains(kind, values, name)  # as they were typed
    read = typed(kind, {key: value for key, value in values.items() if key != TARGET}, name)
    with _told_by(name):
        check_domains(kind, plain_values(read), name)  # texts such as "nan", too
        return cast(T, OmegaConf.to_object(read))


def plain_values(config: DictConfig, resolve: bool = False) -> dict[str, Any]:
    """Sections, options and names of what they choose; resolve: with all references followed, and nothing missing."""
    found = OmegaConf.to_container(config, resolve=resolve, throw_on_missing=resolve, enum_to_str=True)
    return cast(dict[str, Any], found)


def typed(kind: type | DictConfig, values: Mapping[str, Any], name: str) -> DictConfig:
    """`values` among all options of the dataclass `kind`; UserError names one that is unknown or of a wrong type."""
    known = [str(key) for key in kind] if isinstance(kind, DictConfig) else [f.name for f in fields(kind)]
    for key in values:
        if (told := moved.answer(kind, name, key)) is not None:
            raise UserError(told)
    require_known(values, known, name)
    with _told_by(name):
        return cast(DictConfig, OmegaConf.merge(kind if isinstance(kind, DictConfig) else structured(kind), values))


def require_known(values: Iterable[str], known: Iterable[str], name: str = "") -> None:
    """UserError where one of the options of a section, or of a whole run, is none."""
    for key in values:
        if key not in known:
            if (told := called_here(f"{name}.{key}" if name else key)) is not None:
                raise UserError(told)
            raise unknown(f"option of {name}" if name else "option", key, known)


@contextmanager
def _told_by(name: str) -> Iterator[None]:
    """What OmegaConf raises inside is said in a sentence that begins with the option."""
    try:
        yield
    except OmegaConfBaseException as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        first = str(error).splitlines()[0]
        raise UserError(f"{name}.{error.full_key}: {first}" if error.full_key else f"{name}: {first}") from error


def complete(values: Mapping[str, Any], name: str, kind: type | None = None) -> dict[str, Any]:
    """`values` checked, with every option of their dataclass: `kind`, or the one of the class that they are for."""
    if kind is not None:
        return asdict(read_config(kind, values, name))
    options = asdict(read_config(config_of(target(object, values, name)), values, name))
    return {TARGET: moved.class_path(values[TARGET]), **options}


def require_section(values: Any, name: str) -> None:
    """UserError where a part of a run, which is a section of options, was given something else."""
    if values == MISSING:
        raise UserError(f"no {name} is chosen; name one with {name}=NAME, or leave out what takes it away")
    if not isinstance(values, Mapping):
        raise UserError(
            f"{name}={shortened(values)} is no section of options; leave it out, or set one of its options, such as "
            f"{name}.NAME=VALUE"
        )


def target(kind: type[T], values: Mapping[str, Any], name: str) -> type[T]:
    """The class that `values` are for, also where it has moved since they were written.

    UserError where there is none, or where it is no `kind`.
    """
    written = values.get(TARGET)
    if not isinstance(written, str) or "." not in written:
        raise UserError(f"{name} has no {TARGET}; its YAML must name a class, such as {TARGET}: my_module.MyClass")
    path = moved.class_path(written)
    if path != written:
        moved.warn_of_path(written, path, name)
    module, _, attribute = path.rpartition(".")
    trust(module)
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise UserError(
            f"{name}.{TARGET}={path} cannot be imported ({error}); a file of your own belongs beside your YAML in the "
            "folder given to --config-dir"
        ) from error
    if not hasattr(found, "Config"):
        raise UserError(f"{path} has no `Config` dataclass, so {name} cannot be read; add `Config = YourConfig` to it")
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UserError(f"{name}.{TARGET}={path} is no {kind.__name__}; choose {name} by name, {name}=NAME")
    return found


def config_of(kind: type) -> type[Any]:
    """The dataclass of options of a class that settings can name."""
    config: type[Any] = kind.Config  # type: ignore[attr-defined]
    return config


def without_later(config: type[Any], section: Mapping[str, Any]) -> dict[str, Any]:
    """A section as the store names it: an option that came later (`LATER` of its dataclass) stands in a name only where
    it says another thing than was always done."""
    later = {name for base in config.__mro__ for name in vars(base).get("LATER", ())}
    always = asdict(config()) if later else {}
    return {name: value for name, value in section.items() if name not in later or value != always[name]}


def public_name(kind: type) -> tuple[str, str]:
    """(module, class) that settings, store and checkpoints use: what `family/model.py` defines is named by `family`."""
    family = kind.__module__.removesuffix(".model")
    offered = getattr(sys.modules.get(family), kind.__name__, None) is kind
    return (family if offered else kind.__module__), kind.__qualname__


@lru_cache(256)
def with_target(kind: type) -> DictConfig:
    """The schema of the class: its config dataclass, which also says what it is for; not to be changed."""
    config = config_of(kind)
    both = make_dataclass(config.__name__, [(TARGET, str, field(default=".".join(public_name(kind))))], bases=(config,))
    schema = structured(both)
    for name in schema:
        value = None if OmegaConf.is_missing(schema, name) else schema._get_node(name)
        if isinstance(value, DictConfig) and OmegaConf.get_type(value) is dict:
            OmegaConf.set_struct(value, False)  # what others will read, such as task.make, takes any name
    return schema


def build(kind: type[T], values: Mapping[str, Any], name: str, *arguments: Any, **more: Any) -> T:
    """The `kind` of object that `values` describe: `Class(Config(...), *arguments, **more)`."""
    found = target(kind, values, name)
    make: Callable[..., T] = found  # each kind has its own arguments
    return make(read_config(config_of(found), values, name), *arguments, **more)
