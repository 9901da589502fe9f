"""The configuration of every job of a sweep, composed once for each choice of groups.

Hydra reads and merges some forty files for each job, once to check it and once to run it, though most jobs differ in
single values alone: `seed=0,1,2`. Here those are set on a copy of what the rest of the command line composes to.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from uuid import uuid4

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import Container, DictConfig, OmegaConf

KEPT = 64
"""Choices of groups whose composition is kept, of a few hundred kB each."""


class SweepLoader(ConfigLoaderImpl):
    """Hydra's loader for the jobs of one sweep, in this process or, as a copy, in those of a launcher."""

    def __init__(self, loader: ConfigLoaderImpl) -> None:
        self.config_search_path, self.repository = loader.config_search_path, loader.repository
        self.sweep = uuid4().hex
        """By which copies in one process share what they composed, and with no other sweep: files may have changed."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepLoader) and other.sweep == self.sweep

    def __hash__(self) -> int:
        return hash(self.sweep)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """What Hydra's own loader makes of one job, as a configuration that the caller may change."""
        parsed = OverridesParser.create().parse_overrides(sweep_overrides)
        self.validate_sweep_overrides_legal(parsed, RunMode.RUN, from_shell=True)
        values, others = [], OmegaConf.to_container(master_config.hydra.overrides.hydra)  # ${hydra.job.num} as it is
        assert isinstance(others, list)
        for word, override in zip(sweep_overrides, parsed, strict=True):
            if self._sets_a_value(override, master_config):
                values.append(override)
            else:
                others.append(word)
        config = copy.deepcopy(_composed(self, master_config.hydra.job.config_name, tuple(others)))
        self._apply_overrides_to_config(values, config)
        task = [override for override in parsed if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in task]
        config.hydra.job.override_dirname = get_overrides_dirname(task, **config.hydra.job.config.override_dirname)
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
        found = super().get_group_options(group_name, results_filter, config_name, overrides)
        if results_filter is ObjectType.CONFIG:
            for inner in self.repository.get_group_options(group_name, ObjectType.GROUP):
                found = found + [f"{inner}/{option}" for option in self.get_group_options(f"{group_name}/{inner}")]
        return found

    def _sets_a_value(self, override: Override, master: DictConfig) -> bool:
        """Whether this surely chooses no option of a group; where in doubt, Hydra composes."""
        key = override.key_or_group
        known = "." in key or (key in master and not isinstance(master._get_node(key), Container))
        chosen = override.package is not None or override.is_hydra_override() or self.repository.group_exists(key)
        return known and not chosen


@lru_cache(KEPT)
def _composed(loader: SweepLoader, name: str | None, overrides: tuple[str, ...]) -> DictConfig:
    return loader.load_configuration(name, list(overrides), RunMode.RUN)
