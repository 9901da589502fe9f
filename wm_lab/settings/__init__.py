"""From plain settings to checked config dataclasses, and from those to the objects they describe."""

from wm_lab.settings.reading import (
    TARGET,
    build,
    complete,
    config_of,
    plain_values,
    public_name,
    read_config,
    require_known,
    require_section,
    target,
    typed,
    with_target,
    without_later,
)

__all__ = [
    "TARGET",
    "build",
    "complete",
    "config_of",
    "plain_values",
    "public_name",
    "read_config",
    "require_known",
    "require_section",
    "target",
    "typed",
    "with_target",
    "without_later",
]
