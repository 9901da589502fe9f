"""All that the lab takes from Hydra's private parts, in one place: what no public function of Hydra gives.

A release of Hydra may move these without a word; docs/architecture.md says with which releases they were tried.
Hydra programs of others read this file too (through `hydra_plugins/`), so it imports Hydra and what that needs alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml
from hydra._internal.core_plugins import basic_sweeper, file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigSource
from omegaconf import _utils, base, grammar_parser

__all__ = [
    "basic_sweeper",
    "file_config_source",
    "get_args_parser",
    "remember_references",
    "replace_config_loader",
    "replace_config_source",
    "yaml_of",
]
# basic_sweeper       its BasicSweeper alone knows which jobs a command line means, and is to launch fewer of them
# file_config_source  its FileConfigSource finds and reads YAML; the public base class leaves all of that open
# get_args_parser     which options there are (`--cfg`, `--config-dir`, ...), to tell them from overrides
#
# The first two are modules, not classes: Hydra's search for plugins runs them again, and a class that was taken from
# them before is then another than the one whose name they know.


def replace_config_source(source: type[ConfigSource]) -> None:
    """Have Hydra read what is of this scheme by `source`: its public registration never replaces one by its like."""
    SourcesRegistry.instance().types[source.scheme()] = source


def replace_config_loader(loader: ConfigLoader) -> None:
    """Have the Hydra program that runs compose jobs by `loader`: it makes its own, and offers no choice."""
    hydra: Any = GlobalHydra.instance().hydra
    hydra.config_loader = loader


def remember_references() -> None:
    """Have OmegaConf parse each text with a reference once: it does so whenever one is followed, with ANTLR in Python.

    Trees are only read, also while others are parsed: a reference within a reference is followed in the midst of one.
    """
    users: tuple[Any, ...] = (base, _utils)
    if base.__dict__["parse"] is grammar_parser.parse:
        remembered = lru_cache(4096)(grammar_parser.parse)
        for user in users:
            user.parse = remembered


def yaml_of(plain: dict[str, Any]) -> str:
    """What `OmegaConf.to_yaml(config, resolve=True)` writes of a configuration whose values these are, all resolved."""
    dumper = _utils.get_omega_conf_dumper()
    told: str = yaml.dump(plain, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=dumper)
    return told
