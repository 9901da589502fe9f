"""Options that are true or false: OmegaConf takes any whole number for true, and a slip of the pen is none."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from omegaconf import BooleanNode, DictConfig, OmegaConf
from omegaconf.errors import ValidationError


class Switch(BooleanNode):
    """As OmegaConf's own, with 0 and 1 as the only numbers."""

    def _validate_and_convert_impl(self, value: Any) -> bool:
        if isinstance(value, int) and value not in (0, 1):
            raise ValidationError("$VALUE is neither true nor false")
        told: bool = super()._validate_and_convert_impl(value)
        return told

    def __deepcopy__(self, memo: dict[int, Any]) -> Switch:
        copied = Switch()
        self._deepcopy_impl(copied, memo)
        return copied


@lru_cache(256)
def structured(kind: type) -> DictConfig:
    """The schema of a dataclass, with switches for what is true or false, also in sections; not to be changed."""
    schema: DictConfig = OmegaConf.structured(kind)
    _switch(schema)
    return schema


def _switch(schema: DictConfig) -> None:
    for name in schema:
        node = schema._get_node(name)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
            _switch(node)
        elif isinstance(node, BooleanNode):
            schema[name] = Switch(node._value(), is_optional=node._is_optional())
