"""The configuration of every job of a sweep, composed once for each choice of groups.

Hydra reads and merges some forty files for each job, once to check it and once to run it, though most jobs differ in
single values alone: `seed=0,1,2`. Here those are set on a copy of what the rest of the command line composes to.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import uuid4

from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

KEPT = 64
"""Choices of groups whose composition is kept, of a few hundred kB each."""


class SweepLoader(ConfigLoader):
    """Composes the jobs of one sweep by Hydra's `loader`, in this process or, as a copy, in those of a launcher."""

    def __init__(self, loader: ConfigLoader) -> None:
        self.loader = loader
        self.sweep = uuid4().hex
        """By which copies in one process share what they composed, and with no other sweep: files may have changed."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepLoader) and other.sweep == self.sweep

    def __hash__(self) -> int:
        return hash(self.sweep)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """What Hydra's own loader makes of one job, as a configuration that the caller may change."""
        name = master_config.hydra.job.config_name
        words = OmegaConf.to_container(master_config.hydra.overrides.hydra)  # ${hydra.job.num} as it is
        assert isinstance(words, list)
        parsed = OverridesParser.create().parse_overrides(sweep_overrides)
        values = [override for override in parsed if self._sets_a_value(override, master_config)]
        if any(override.type != OverrideType.CHANGE for override in parsed):
            values = []  # what adds or removes is done in the order in which it was typed
        others = [word for word, override in zip(sweep_overrides, parsed, strict=True) if override not in values]
        config = copy.deepcopy(_composed(self, name, (*words, *others)))
        try:
            for override in values:
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        except OmegaConfBaseException:  # which Hydra says in its own words
            config = self.loader.load_configuration(name, [*words, *sweep_overrides], RunMode.RUN)
        _note(parsed, config)
        OmegaConf.copy_cache(from_config=master_config, to_config=config)  # ${now:} is when the sweep began
        return config

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """With those of groups inside the group, which Hydra leaves out: `task=glob(suite/*)` shall find some."""
        found = self.loader.get_group_options(group_name, results_filter, config_name, overrides)
        if results_filter is ObjectType.CONFIG:
            for inner in self.loader.list_groups(group_name):
                found = found + [f"{inner}/{option}" for option in self.get_group_options(f"{group_name}/{inner}")]
        return found

    def load_configuration(self, *given: Any, **named: Any) -> DictConfig:
        return self.loader.load_configuration(*given, **named)

    def get_search_path(self) -> ConfigSearchPath:
        return self.loader.get_search_path()

    def get_sources(self) -> list[ConfigSource]:
        return self.loader.get_sources()

    def list_groups(self, parent_name: str) -> list[str]:
        return self.loader.list_groups(parent_name)

    def compute_defaults_list(self, *given: Any, **named: Any) -> Any:
        return self.loader.compute_defaults_list(*given, **named)

    def _sets_a_value(self, override: Override, master: DictConfig) -> bool:
        """Whether this certainly chooses no option of a group; where in doubt, Hydra composes."""
        key = override.key_or_group
        known = "." in key or (key in master and not isinstance(master._get_node(key), Container))
        apart = override.package is not None or override.is_hydra_override() or override.is_sweep_override()
        return known and not apart and not any(source.is_group(key) for source in self.get_sources())


def _note(overrides: Sequence[Override], config: DictConfig) -> None:
    """Have the job's configuration say what it was asked for, as Hydra's does."""
    task = [override for override in overrides if not override.is_hydra_override()]
    config.hydra.overrides.task = [override.input_line for override in task]
    if not OmegaConf.is_interpolation(config.hydra.job, "override_dirname"):  # which it is from Hydra 1.4 on
        form = config.hydra.job.config.override_dirname
        named = sorted(str(word.input_line) for word in task if word.key_or_group not in form.exclude_keys)
        config.hydra.job.override_dirname = form.item_sep.join(named).replace("=", form.kv_sep)


@lru_cache(KEPT)
def _composed(loader: SweepLoader, name: str | None, overrides: tuple[str, ...]) -> DictConfig:
    return loader.loader.load_configuration(name, list(overrides), RunMode.RUN)
