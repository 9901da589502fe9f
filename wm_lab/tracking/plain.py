"""NumPy and torch values as plain Python ones, ready for strict JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any


def plain_number(name: str, value: Any) -> float | int:
    """`value` as a Python number, from a tensor or array of one element too."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, int | float):  # bool is an int
        raise TypeError(f"{name} is a {type(value).__name__}, and only numbers are logged against steps")
    return value


def plain_value(value: Any) -> Any:
    """Dicts, lists, strings, numbers, None: whatever comes in; NaN and infinity, which JSON lacks, become None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be kept in a result; give numbers, text, lists or dicts")
