"""YAML that names a class alone has all options of that class, as if it began from a schema.

So a file of a user's own, `_target_: my_task.MyTask` and little else, knows `task.observation=pixels` on the command
line, completes it, and complains about what is misspelt: see docs/extending.md. And a file that no configuration can be
made of is told by its name.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from pathlib import Path

from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from wm_lab.command_line.hydra_internals import file_config_source, replace_config_source
from wm_lab.command_line.user_yaml import flaw
from wm_lab.errors import UserError
from wm_lab.settings import TARGET, config_of, target, typed, with_target

COMPLETED = ("exercise", "model", "planner", "policy", "task")
"""Groups whose choices are classes with a `Config`."""


def register() -> None:
    """Have Hydra read files in this way; safe to call twice."""
    replace_config_source(FileConfigSource)


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's own source of files goes by this name too, so that Hydra never takes them for two."""

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path) / self._normalize_file_name(config_path)
        if file.is_file() and (told := flaw(file)) is not None:
            raise UserError(f"{file} {told}")
        result = super().load_config(config_path)
        group, values = config_path.partition("/")[0], result.config
        if group in COMPLETED and isinstance(values, DictConfig) and TARGET in values and "defaults" not in values:
            result.config = completed(values, group)
        return result


def completed(values: DictConfig, group: str) -> DictConfig:
    """The same with every option of the class that they are for; UserError where one is misspelt or of a wrong type."""
    try:
        kind = target(object, values, group)
    except UserError:
        return values  # which is told when the whole configuration is read
    if not is_dataclass(config_of(kind)):
        return values
    return typed(with_target(kind), values, group)  # type: ignore[arg-type]  # a class can be hashed
